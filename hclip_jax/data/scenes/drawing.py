"""One built-in scene: two backgrounds that meet at a horizon, clutter, and two to four objects."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import ImageFilter

from hclip_jax.data.scenes.label_sets import STUFF, THINGS, Thing
from hclip_jax.data.scenes.patterns import pattern_mask
from hclip_jax.data.scenes.shapes import SHAPES, shape_mask
from hclip_jax.data.scenes.textures import TEXTURES, smooth_noise

_PAINT = {
    "red": (206, 34, 38),
    "green": (30, 158, 62),
    "blue": (34, 74, 208),
    "yellow": (246, 212, 32),
    "purple": (134, 48, 170),
}
_DARK = 0.4  # of the paint, where there is a pattern

_SETTINGS = (  # above and below the horizon
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
    last: tuple[str, str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a scene.

    Args:
        height: in pixels, as `width`.
        width: see `height`.
        compositions: (pattern, colour) pairs to choose objects from, each at most once.
        rng: decides everything else.
        last: the pair that is drawn last, over the others; any of `compositions` if None.

    Returns:
        The picture, uint8 [H, W, 3], and what each pixel shows, int32 [H, W]: indices into STUFF + THINGS.
    """
    canvas, things = _backgrounds(height, width, rng)
    _clutter(canvas, rng)
    count = int(rng.integers(2, 5))
    others = [pair for pair in compositions if pair != last]
    chosen = [others[i] for i in rng.choice(len(others), count - (last is not None), replace=False)]
    centres: list[complex] = []
    for pattern, colour in [*chosen, last] if last else chosen:
        thing = Thing(pattern, colour, SHAPES[rng.integers(len(SHAPES))])
        radius = float(rng.uniform(0.18, 0.36) * min(height, width))
        # Of two random places the one farther from its neighbours: overlap stays, burial is rare.
        places = [
            complex(rng.uniform(radius, width - radius), rng.uniform(radius, height - radius))
            for _ in range(2)
        ]
        centres.append(max(places, key=lambda place: min([abs(place - c) for c in centres] or [0])))
        _place(canvas, things, thing, radius, centres[-1], rng)
    canvas += rng.standard_normal((height, width, 1), dtype=np.float32) * np.float32(2.5)
    return np.clip(canvas, 0, 255).astype(np.uint8), things


def _backgrounds(height: int, width: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Paints float32 [H, W, 3] and labels [H, W] of two textures that meet at an uneven horizon."""
    above, below = _SETTINGS[rng.integers(len(_SETTINGS))]
    tilt = np.linspace(-0.5, 0.5, width) * rng.uniform(-0.15, 0.15) * height
    uneven = 0.0 if below in ("water", "wooden floor") else 0.03 * height
    hills = smooth_noise(2, width, rng, 2, 6)[0] * uneven
    horizon = rng.uniform(0.3, 0.7) * height + tilt + hills
    is_below = np.arange(height)[:, None] >= horizon
    first = max(int(horizon.min()), 0)  # nothing of `below` is visible higher up
    canvas = TEXTURES[above](height, width, rng)
    ground = TEXTURES[below](height - first, width, rng)
    canvas[first:][is_below[first:]] = ground[is_below[first:]]
    return canvas, np.where(is_below, STUFF.index(below), STUFF.index(above)).astype(np.int32)


def _clutter(canvas: np.ndarray, rng: np.random.Generator) -> None:
    """Scatters specks, too small to be labelled, of any colour: the background keeps its label."""
    height, width, _ = canvas.shape
    for _ in range(rng.integers(0, 13)):
        tall, wide = rng.integers(2, 6, 2)
        y, x = rng.integers(0, height - tall), rng.integers(0, width - wide)
        canvas[y : y + tall, x : x + wide] = rng.uniform(20, 235, 3)


def _place(
    canvas: np.ndarray,
    things: np.ndarray,
    thing: Thing,
    radius: float,
    centre: complex,
    rng: np.random.Generator,
) -> None:
    """Draws one object, with shading and a soft shadow, over whatever is there."""
    height, width = things.shape
    side = int(2 * radius) + 12  # room for the shadow
    top, left = int(centre.imag - side / 2), int(centre.real - side / 2)
    cut_y, cut_x = (
        slice(max(top, 0), min(top + side, height)),
        slice(max(left, 0), min(left + side, width)),
    )
    inside = (
        slice(cut_y.start - top, cut_y.stop - top),
        slice(cut_x.start - left, cut_x.stop - left),
    )

    mask = shape_mask(thing.shape, radius, rng.uniform(0, 2 * math.pi), side)
    alpha = np.asarray(mask, np.float32)[inside] / 255
    shadow = np.roll(np.asarray(mask.filter(ImageFilter.BoxBlur(3)), np.float32), (4, 3), (0, 1))
    canvas[cut_y, cut_x] *= 1 - 0.45 / 255 * shadow[inside][..., None]

    tint = np.array(_PAINT[thing.colour], np.float32) + rng.uniform(-14, 14, 3).astype(np.float32)
    light = _light(side, rng) * (1 - (1 - _DARK) * pattern_mask(thing.pattern, side, rng))
    painted = tint * light[inside].astype(np.float32)[..., None]
    canvas[cut_y, cut_x] += (painted - canvas[cut_y, cut_x]) * alpha[..., None]
    things[cut_y, cut_x][alpha >= 0.5] = len(STUFF) + THINGS.index(thing)


def _light(side: int, rng: np.random.Generator) -> np.ndarray:
    """Brightness [side, side] of a surface lit from somewhere, about 1."""
    angle = rng.uniform(0, 2 * math.pi)
    ramp = np.linspace(-1, 1, side, dtype=np.float32)
    lit = math.sin(angle) * ramp[:, None] + math.cos(angle) * ramp[None, :]
    return 0.97 + 0.13 * lit + 0.05 * smooth_noise(side, side, rng, side / 8, side / 8)
