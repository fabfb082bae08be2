"""Draws one built-in scene: two backgrounds with a horizon between them, clutter, and two to four objects."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import ImageFilter

from hclip_jax.data.scenes.label_sets import STUFF, THINGS, Thing
from hclip_jax.data.scenes.patterns import pattern_mask
from hclip_jax.data.scenes.shapes import SHAPES, shape_mask
from hclip_jax.data.scenes.textures import TEXTURES, smooth_noise

_RGB = {
    "red": (206, 34, 38),
    "green": (30, 158, 62),
    "blue": (34, 74, 208),
    "yellow": (246, 212, 32),
    "purple": (134, 48, 170),
}
_PATTERN_BRIGHTNESS = 0.4  # relative to the plain surface

_BACKGROUNDS = (  # above and below the horizon
    ("sky", "grass"),
    ("sky", "sand"),
    ("sky", "water"),
    ("sky", "snow"),
    ("water", "grass"),
    ("water", "sand"),
    ("brick wall", "grass"),
    ("brick wall", "snow"),
    ("brick wall", "wooden floor"),
    ("brick wall", "sand"),
)


def draw(
    height: int,
    width: int,
    compositions: Sequence[tuple[str, str]],
    rng: np.random.Generator,
    topmost: tuple[str, str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a scene.

    Args:
        height: H in pixels.
        width: W in pixels.
        compositions: (pattern, colour) of possible objects, each used at most once.
        rng: the source of randomness.
        topmost: the composition that is drawn last, over the others; None for a random one.

    Returns:
        The image, uint8 [H, W, 3], and the visible thing of each pixel, int32 [H, W]: indices into
        STUFF + THINGS.
    """
    canvas, things = _draw_backgrounds(height, width, rng)
    _draw_clutter(canvas, rng)
    num_objects = int(rng.integers(2, 5))
    others = [pair for pair in compositions if pair != topmost]
    num_others = num_objects - (topmost is not None)
    chosen = [others[i] for i in rng.choice(len(others), num_others, replace=False)]
    centres: list[complex] = []
    for pattern, colour in [*chosen, topmost] if topmost else chosen:
        thing = Thing(pattern, colour, SHAPES[rng.integers(len(SHAPES))])
        radius = float(rng.uniform(0.18, 0.36) * min(height, width))
        # The better of two random centres, the one farther from the other objects: objects still overlap,
        # but are rarely hidden.
        candidates = [
            complex(rng.uniform(radius, width - radius), rng.uniform(radius, height - radius))
            for _ in range(2)
        ]
        centres.append(max(candidates, key=lambda centre: min([abs(centre - c) for c in centres] or [0])))
        _draw_object(canvas, things, thing, radius, centres[-1], rng)
    canvas += rng.standard_normal((height, width, 1), dtype=np.float32) * np.float32(2.5)
    return np.clip(canvas, 0, 255).astype(np.uint8), things


def _draw_backgrounds(height: int, width: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws two textures with an uneven horizon: canvas float32 [H, W, 3] and things int32 [H, W]."""
    above, below = _BACKGROUNDS[rng.integers(len(_BACKGROUNDS))]
    tilt = np.linspace(-0.5, 0.5, width) * rng.uniform(-0.15, 0.15) * height
    hill_height = 0.0 if below in ("water", "wooden floor") else 0.03 * height
    hills = smooth_noise(2, width, rng, 2, 6)[0] * hill_height
    horizon = rng.uniform(0.3, 0.7) * height + tilt + hills
    is_below = np.arange(height)[:, None] >= horizon
    top = max(int(horizon.min()), 0)  # the first row where `below` is visible
    canvas = TEXTURES[above](height, width, rng)
    ground = TEXTURES[below](height - top, width, rng)
    canvas[top:][is_below[top:]] = ground[is_below[top:]]
    return canvas, np.where(is_below, STUFF.index(below), STUFF.index(above)).astype(np.int32)


def _draw_clutter(canvas: np.ndarray, rng: np.random.Generator) -> None:
    """Draws specks of random colours. They are too small to be labelled: the background keeps its label."""
    height, width, _ = canvas.shape
    for _ in range(rng.integers(0, 13)):
        speck_height, speck_width = rng.integers(2, 6, 2)
        y, x = rng.integers(0, height - speck_height), rng.integers(0, width - speck_width)
        canvas[y : y + speck_height, x : x + speck_width] = rng.uniform(20, 235, 3)


def _draw_object(
    canvas: np.ndarray,
    things: np.ndarray,
    thing: Thing,
    radius: float,
    centre: complex,
    rng: np.random.Generator,
) -> None:
    """Draws one object with shading and a soft shadow over canvas [H, W, 3] and things [H, W], in place."""
    height, width = things.shape
    size = int(2 * radius) + 12  # of the square that is drawn; 12 pixels for the shadow
    top, left = int(centre.imag - size / 2), int(centre.real - size / 2)
    rows, columns = (
        slice(max(top, 0), min(top + size, height)),
        slice(max(left, 0), min(left + size, width)),
    )
    visible = (  # the part of the square that lies within the canvas
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )

    mask = shape_mask(thing.shape, radius, rng.uniform(0, 2 * math.pi), size)
    alpha = np.asarray(mask, np.float32)[visible] / 255
    shadow = np.roll(np.asarray(mask.filter(ImageFilter.BoxBlur(3)), np.float32), (4, 3), (0, 1))
    canvas[rows, columns] *= 1 - 0.45 / 255 * shadow[visible][..., None]

    rgb = np.array(_RGB[thing.colour], np.float32) + rng.uniform(-14, 14, 3).astype(np.float32)
    brightness = _shading(size, rng) * (
        1 - (1 - _PATTERN_BRIGHTNESS) * pattern_mask(thing.pattern, size, rng)
    )
    surface = rgb * brightness[visible].astype(np.float32)[..., None]
    canvas[rows, columns] += (surface - canvas[rows, columns]) * alpha[..., None]
    things[rows, columns][alpha >= 0.5] = len(STUFF) + THINGS.index(thing)


def _shading(size: int, rng: np.random.Generator) -> np.ndarray:
    """Brightness [size, size], about 1, of a surface with light from a random direction."""
    angle = rng.uniform(0, 2 * math.pi)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    gradient = math.sin(angle) * ramp[:, None] + math.cos(angle) * ramp[None, :]
    return 0.97 + 0.13 * gradient + 0.05 * smooth_noise(size, size, rng, size / 8, size / 8)
