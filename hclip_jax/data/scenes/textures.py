"""Procedural backgrounds of the built-in scenes: sky, grass, sand, water, snow, bricks, planks."""

from collections.abc import Callable

import numpy as np
from PIL import Image

Texture = Callable[[int, int, np.random.Generator], np.ndarray]
"""(height, width, rng) -> float32 [H, W, 3], RGB in 0..255 (not clipped)."""


def smooth_noise(
    height: int, width: int, rng: np.random.Generator, cells_y: float, cells_x: float
) -> np.ndarray:
    """Smooth noise float32 [H, W] of about -1..1, with cells_y x cells_x blobs."""
    shape = (max(2, round(cells_y)), max(2, round(cells_x)))
    grid = Image.fromarray(rng.uniform(-1, 1, shape).astype(np.float32))
    return np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC))


def _fractal(height: int, width: int, rng: np.random.Generator, cell: float) -> np.ndarray:
    """Three octaves of noise [H, W]: blobs of cell, cell/2, cell/4 pixels, amplitudes 1, 1/2, 1/4."""
    noise = np.zeros((height, width), np.float32)
    for octave in range(3):
        cells = 2**octave / cell
        noise += smooth_noise(height, width, rng, height * cells, width * cells) / 2**octave
    return noise


def _grain(height: int, width: int, rng: np.random.Generator, std: float) -> np.ndarray:
    """White noise [H, W] with standard deviation `std`."""
    return rng.standard_normal((height, width), dtype=np.float32) * np.float32(std)


def _blend(low: tuple[int, int, int], high: tuple[int, int, int], amount: np.ndarray) -> np.ndarray:
    """Interpolates two RGB colours by amount [H, W]: 0 gives `low`, 1 gives `high`; [H, W, 3]."""
    start, end = np.array(low, np.float32), np.array(high, np.float32)
    return start + (end - start) * np.clip(amount, 0, 1)[..., None]


def _sky(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    clouds = _fractal(height, width, rng, cell=70) + rng.uniform(-0.4, 0.3)
    clear = _blend((62, 124, 206), (176, 212, 240), np.broadcast_to(down, (height, width)))
    cover = np.clip(clouds * 1.1, 0, 0.9)[..., None]
    return clear + (np.array((244, 246, 250), np.float32) - clear) * cover


def _grass(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    blades = smooth_noise(height, width, rng, height / 7, width / 2)
    patches = _fractal(height, width, rng, cell=60)
    amount = 0.45 + 0.3 * blades + 0.2 * patches + _grain(height, width, rng, 0.08)
    return _blend((36, 74, 22), (136, 172, 62), amount)


def _sand(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    rows = np.arange(height, dtype=np.float32)[:, None]
    ripples = np.sin(rows * rng.uniform(0.35, 0.6) + 4 * _fractal(height, width, rng, cell=80))
    amount = 0.55 + 0.16 * ripples + _grain(height, width, rng, 0.12)
    return _blend((176, 142, 96), (238, 214, 168), amount)


def _water(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    waves = smooth_noise(height, width, rng, height / 5, width / 30)
    ripples = smooth_noise(height, width, rng, height / 3, width / 12)
    surface = 0.6 * waves + 0.4 * ripples
    base = _blend((12, 62, 92), (58, 138, 158), 0.45 + 0.45 * surface)
    return base + 110 * np.clip(surface - 0.45, 0, 1)[..., None]


def _snow(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    drifts = _fractal(height, width, rng, cell=90)
    return _blend((186, 202, 226), (250, 251, 255), 0.7 + 0.4 * drifts) + _grain(
        height, width, rng, 3
    ).reshape(height, width, 1)


def _brick_wall(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    brick_height = int(rng.integers(11, 17))
    brick_width = int(2.4 * brick_height)
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    course = y // brick_height
    shifted = x + (course % 2) * (brick_width // 2)  # running bond: odd courses shifted by half a brick
    tone = rng.uniform(0, 1, (height // brick_height + 1, width // brick_width + 2)).astype(np.float32)
    amount = tone[course, shifted // brick_width] * 0.7 + 0.25 * _fractal(height, width, rng, cell=12)
    bricks = _blend((112, 50, 38), (178, 96, 70), amount + 0.1)
    mortar = (y % brick_height < 2) | (shifted % brick_width < 2)
    bricks[mortar] = (172, 164, 152)
    return bricks + _grain(height, width, rng, 6)[..., None]


def _wooden_floor(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    plank_height = int(rng.integers(16, 26))
    plank_width = int(rng.integers(90, 150))
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    row = y // plank_height
    starts = rng.integers(0, plank_width, height // plank_height + 1)
    shifted = x + starts[row]
    tone = rng.uniform(0, 1, (height // plank_height + 1, width // plank_width + 2)).astype(np.float32)
    fibres = smooth_noise(height, width, rng, height / 2, width / 40)
    amount = 0.2 + 0.5 * tone[row, shifted // plank_width] + 0.2 * fibres
    planks = _blend((116, 74, 40), (206, 156, 100), amount)
    planks[(y % plank_height < 1) | (shifted % plank_width < 1)] *= 0.55
    return planks


TEXTURES: dict[str, Texture] = {
    "sky": _sky,
    "grass": _grass,
    "sand": _sand,
    "water": _water,
    "snow": _snow,
    "brick wall": _brick_wall,
    "wooden floor": _wooden_floor,
}
