"""Class colours: conventional ones for names that have one, and others that are easy to tell apart.

The colour of a class belongs to its name, so it is nearly always the same in every list of class names.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_FIRST_COLOUR = (230, 50, 50)
_TIERS = (32, 128, 512, 2048)  # numbers of distinct colours; a name that finds none free asks the next
_FEW_CLASSES = 64  # which need only the first two tiers
_ATTEMPTS = 8  # colours that a name tries in a tier


def class_colours(class_names: Sequence[str]) -> np.ndarray:
    """The colours of classes.

    A name with a conventional colour, such as sky, has it. Any other name has a few favourite colours, by its
    hash, and takes the first that differs enough from those of the other names.

    Args:
        class_names: T names; of synonyms, separated by ",", the first counts.

    Returns:
        uint8 [T, 3] RGB, all different for up to 2,000 names.
    """
    names = [" ".join(name.partition(",")[0].lower().split()) for name in class_names]
    tiers = _TIERS[:2] if len(names) <= _FEW_CLASSES else _TIERS
    chooser, conventional = _Chooser(tiers), dict(_conventional())
    colours = np.zeros((len(names), 3), np.uint8)
    others = []
    for t, name in enumerate(names):
        # Names that share a conventional colour, such as car and van: the first has it.
        colour = conventional.get(name)
        if colour is None or (colours[:t] == colour).all(axis=1).any():
            others.append(t)
        else:
            colours[t] = chooser.take(np.array(colour, np.uint8))
    # Not in the order of the list, so that a name's colour does not depend on its position.
    for t in sorted(others, key=lambda t: _digest(names[t])):
        colours[t] = chooser.take(chooser.favourite(names[t]))
    return colours


class _Chooser:
    """Chooses colours that differ from those that are taken."""

    def __init__(self, tiers: Sequence[int]) -> None:
        self._tiers = tiers
        self._colours = palette(tiers[-1])
        self._lab = _lab(self._colours)
        self._distance = np.full(len(self._colours), np.inf)  # from the nearest colour that is taken
        # Conventional colours are kept for their names, even where no class has one of these.
        for colour in set(_conventional().values()):
            self.take(np.array(colour, np.uint8))

    def take(self, colour: np.ndarray) -> np.ndarray:
        """Takes a colour, and returns it."""
        distance = np.sqrt(((self._lab - _lab(colour)) ** 2).sum(axis=1))
        self._distance = np.minimum(self._distance, distance)
        return colour

    def favourite(self, name: str) -> np.ndarray:
        """The first favourite colour of a name that is free; if none is, the one that differs most."""
        rng = np.random.default_rng(int.from_bytes(_digest(name)))
        for tier in self._tiers:
            # Nearly the distance that the farthest-point order left between the colours of the tier.
            enough = 0.75 * _spacing(tier)
            for index in rng.integers(tier, size=_ATTEMPTS):
                if self._distance[index] > enough:
                    return self._colours[index]
        return self._colours[self._distance.argmax()]


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()


@functools.cache
def _conventional() -> dict[str, tuple[int, int, int]]:
    """Colours by class name, of colours.json."""
    content = json.loads(Path(__file__).with_name("colours.json").read_text("utf-8"))
    return {name: tuple(row["rgb"]) for row in content for name in row["names"]}


def palette(count: int) -> np.ndarray:
    """`count` colours, each the one that looks farthest from all before it.

    Colour t is the same for any `count`. After some thousands the colours repeat.

    Returns:
        uint8 [count, 3] RGB.
    """
    colours = _distinct_colours(count)
    return colours[np.arange(count) % len(colours)]


@functools.cache
def _spacing(count: int) -> float:
    """The distance of the last of `count` colours from the nearest before it."""
    lab = _lab(palette(count))
    return float(np.sqrt(((lab[:-1] - lab[-1]) ** 2).sum(axis=1).min()))


@functools.cache
def _distinct_colours(count: int) -> np.ndarray:
    """Up to `count` colours by farthest-point sampling of a grid in OKLab."""
    levels = np.linspace(0, 255, 22).round().astype(np.uint8)
    rgb = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    oklab = _oklab(rgb)
    lightness, chroma = oklab[:, 0], np.hypot(oklab[:, 1], oklab[:, 2])
    vivid = (lightness > 0.42) & (lightness < 0.9) & (chroma > 0.08)
    rgb, lab = rgb[vivid], _lab(rgb[vivid])

    order = [int(np.abs(rgb - np.array(_FIRST_COLOUR, np.float64)).sum(axis=1).argmin())]
    distance = np.full(len(rgb), np.inf)
    while len(order) < min(count, len(rgb)):
        distance = np.minimum(distance, ((lab - lab[order[-1]]) ** 2).sum(axis=1))
        order.append(int(distance.argmax()))
    return rgb[order]


def _lab(rgb: np.ndarray) -> np.ndarray:
    """Positions whose distance is the difference of colours that are blended with an image.

    The image below the paint changes its lightness, so lightness separates classes less well than hue.
    """
    return _oklab(rgb) * [0.6, 1, 1]


def _oklab(rgb: np.ndarray) -> np.ndarray:
    """uint8 sRGB [..., 3] to Ottosson's OKLab, where Euclidean distance follows perceived difference."""
    s = rgb / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    to_lms = [[0.4122215, 0.5363325, 0.0514460], [0.2119035, 0.6806995, 0.1073970]]
    to_lms += [[0.0883025, 0.2817188, 0.6299787]]
    to_lab = [[0.2104543, 0.7936178, -0.0040720], [1.9779985, -2.4285922, 0.4505937]]
    to_lab += [[0.0259040, 0.7827718, -0.8086758]]
    return np.cbrt(linear @ np.transpose(to_lms)) @ np.transpose(to_lab)
