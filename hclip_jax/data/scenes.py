"""Built-in procedural scenes: labelled pictures without a download, with compositions held out.

A scene is two backgrounds that meet at a horizon, and two to five objects of a colour and a shape.
Ten of the 42 compositions never occur in the train split: naming them is the open-vocabulary test.
"""

import math

import numpy as np
from PIL import ImageFilter

from hclip_jax.data.shapes import SHAPES, shape_mask
from hclip_jax.data.source import IGNORE, Example
from hclip_jax.data.textures import TEXTURES, smooth_noise
from hclip_jax.errors import UserError

STUFF = tuple(TEXTURES)
COLOURS = {
    "red": (206, 34, 38),
    "green": (30, 158, 62),
    "blue": (34, 74, 208),
    "yellow": (246, 212, 32),
    "purple": (134, 48, 170),
    "orange": (242, 124, 22),
    "white": (244, 244, 242),
}
COMPOSITIONS = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
UNSEEN = (
    ("red", "star"),
    ("red", "triangle"),
    ("green", "circle"),
    ("blue", "ring"),
    ("blue", "square"),
    ("yellow", "cross"),
    ("purple", "triangle"),
    ("purple", "circle"),
    ("orange", "star"),
    ("white", "square"),
)
"""Compositions that the train split never shows, though it shows their colours and shapes."""
SEEN = tuple(composition for composition in COMPOSITIONS if composition not in UNSEEN)

VOCABULARIES = {
    "seen": STUFF + tuple(map(" ".join, SEEN)),
    "all": STUFF + tuple(map(" ".join, COMPOSITIONS)),
    "shapes": STUFF + SHAPES,
}
COUNTS = {"train": 2000, "val": 64, "test": 128}

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


class ScenesSource:
    """Scenes drawn on demand; scene i of a split is always the same picture."""

    def __init__(self, split: str, vocabulary: str = "shapes", count: int | None = None) -> None:
        """Chooses what to draw and how to name it.

        Args:
            split: "train", "val" or "test".
            vocabulary: "seen" (what the train split shows; pixels of other objects are IGNORE),
                "all" (every composition) or "shapes" (colours folded). Pixels do not depend on it.
            count: how many scenes; by default 2000, 64 or 128.

        Raises:
            UserError: an unknown split or vocabulary.
        """
        for kind, given, known in (
            ("split", split, COUNTS),
            ("vocabulary", vocabulary, VOCABULARIES),
        ):
            if given not in known:
                raise UserError(f"the built-in scenes have no {kind} {given!r}: choose {', '.join(known)}")
        self.classes = VOCABULARIES[vocabulary]
        self._split = split
        self._count = COUNTS[split] if count is None else count
        ids = {name: index for index, name in enumerate(self.classes)}
        names = STUFF + tuple(
            shape if vocabulary == "shapes" else f"{colour} {shape}" for colour, shape in COMPOSITIONS
        )
        self._class_of = np.array([ids.get(name, IGNORE) for name in names], np.int32)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < self._count:
            raise IndexError(f"scene {index} of {self._count}")
        image, things = _draw(self._split, index)
        return {
            "image": image,
            "label": self._class_of[things],
            "name": f"{self._split}_{index:05d}",
        }


def _draw(split: str, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws uint8 [H, W, 3] and, for each pixel, an index into STUFF + COMPOSITIONS [H, W]."""
    rng = np.random.default_rng((tuple(COUNTS).index(split), index))
    short = int(rng.integers(160, 225))
    long = int(rng.integers(short, 321))
    height, width = (short, long) if rng.random() < 0.75 else (long, short)
    canvas, things = _backgrounds(height, width, rng)

    count = int(rng.integers(2, 6))
    if split == "train":
        seen = [COMPOSITIONS.index(composition) for composition in SEEN]
        chosen = rng.choice(seen, count, replace=False).tolist()
    else:
        last = index % len(COMPOSITIONS)  # on top, so that any 42 scenes show every composition
        others = [other for other in range(len(COMPOSITIONS)) if other != last]
        chosen = [*rng.choice(others, count - 1, replace=False).tolist(), last]
    centres: list[complex] = []
    for composition in chosen:
        radius = float(rng.uniform(18, 0.27 * short))
        # Of two random places the one farther from its neighbours: overlap stays, burial is rare.
        places = [
            complex(rng.uniform(radius, width - radius), rng.uniform(radius, height - radius))
            for _ in range(2)
        ]
        centres.append(max(places, key=lambda place: min([abs(place - c) for c in centres] or [0])))
        _place(canvas, things, len(STUFF) + composition, radius, centres[-1], rng)
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
    return canvas, np.where(is_below, STUFF.index(below), STUFF.index(above))


def _place(
    canvas: np.ndarray,
    things: np.ndarray,
    thing: int,
    radius: float,
    centre: complex,
    rng: np.random.Generator,
) -> None:
    """Draws one object, with shading and a soft shadow, over whatever is there."""
    colour, shape = COMPOSITIONS[thing - len(STUFF)]
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

    mask = shape_mask(shape, radius, rng.uniform(0, 2 * math.pi), side)
    alpha = np.asarray(mask, np.float32)[inside] / 255
    shadow = np.roll(np.asarray(mask.filter(ImageFilter.BoxBlur(3)), np.float32), (4, 3), (0, 1))
    canvas[cut_y, cut_x] *= 1 - 0.45 / 255 * shadow[inside][..., None]

    light = rng.uniform(0, 2 * math.pi)
    ramp = np.linspace(-1, 1, side, dtype=np.float32)
    lit = math.sin(light) * ramp[:, None] + math.cos(light) * ramp[None, :]
    lit = 0.97 + 0.13 * lit + 0.05 * smooth_noise(side, side, rng, side / 8, side / 8)
    tint = np.array(COLOURS[colour], np.float32) + rng.uniform(-14, 14, 3).astype(np.float32)
    painted = tint * lit[inside].astype(np.float32)[..., None]
    canvas[cut_y, cut_x] += (painted - canvas[cut_y, cut_x]) * alpha[..., None]
    things[cut_y, cut_x][alpha >= 0.5] = thing
