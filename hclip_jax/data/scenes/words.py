"""What there is in the built-in world and what it is called.

An object is a colour, a pattern and a shape. Pixel labels name its colour and shape, "red circle"; six of
those 25 compositions never occur in the train split. Captions know all of them, and a second word for
everything: naming what no pixel label ever named is the open-vocabulary test.
"""

import itertools
from typing import NamedTuple

import numpy as np

from hclip_jax.data.scenes.shapes import SHAPES
from hclip_jax.data.source import IGNORE

STUFF = ("sky", "grass", "sand", "water", "snow", "brick wall", "wooden floor")
COLOURS = ("red", "green", "blue", "yellow", "purple")
PATTERNS = ("plain", "striped", "dotted", "checked")


class Thing(NamedTuple):
    """What an object is."""

    colour: str
    pattern: str
    shape: str


THINGS = tuple(itertools.starmap(Thing, itertools.product(COLOURS, PATTERNS, SHAPES)))
COMPOSITIONS = tuple(itertools.product(COLOURS, SHAPES))
UNSEEN = (
    ("red", "star"),
    ("red", "square"),
    ("green", "circle"),
    ("blue", "ring"),
    ("yellow", "star"),
    ("purple", "triangle"),
)
"""Compositions that the train split never shows, though it shows their colours and shapes."""
SEEN = tuple(composition for composition in COMPOSITIONS if composition not in UNSEEN)

SYNONYMS = {
    "sky": "heavens",
    "grass": "lawn",
    "sand": "beach",
    "water": "sea",
    "snow": "ice",
    "brick wall": "masonry",
    "wooden floor": "planks",
    "red": "crimson",
    "green": "emerald",
    "blue": "navy",
    "yellow": "golden",
    "purple": "violet",
    "plain": "solid",
    "striped": "banded",
    "dotted": "spotted",
    "checked": "chequered",
    "circle": "disc",
    "square": "box",
    "triangle": "wedge",
    "star": "asterisk",
    "ring": "hoop",
}
"""The second word for everything: captions use either, pixel labels of the train split the first alone."""


def _composition(thing: Thing) -> str:
    return f"{thing.colour} {thing.shape}"


def _synonym(thing: Thing) -> str:
    return f"{SYNONYMS[thing.colour]} {SYNONYMS[thing.shape]}"


def _pattern(thing: Thing) -> str:
    return f"{thing.pattern} {thing.shape}"


_NAMES = {  # vocabulary -> the names of STUFF and then of THINGS
    "all": (*STUFF, *map(_composition, THINGS)),
    "shapes": (*STUFF, *(thing.shape for thing in THINGS)),
    "patterns": (*STUFF, *map(_pattern, THINGS)),
    "synonyms": (*map(SYNONYMS.__getitem__, STUFF), *map(_synonym, THINGS)),
}

VOCABULARIES: dict[str, tuple[str, ...]] = {
    "seen": STUFF + tuple(map(" ".join, SEEN)),
    **{vocabulary: tuple(dict.fromkeys(names)) for vocabulary, names in _NAMES.items()},
}
"""Class names: `seen` (what the train split shows), `all` compositions, the same in `synonyms`, and regrouped
by `shapes` or by `patterns` and shapes."""


def class_ids(vocabulary: str) -> np.ndarray:
    """The class of everything that can be drawn, int32 [len(STUFF) + len(THINGS)], or IGNORE."""
    ids = {name: index for index, name in enumerate(VOCABULARIES[vocabulary])}
    names = _NAMES["all" if vocabulary == "seen" else vocabulary]
    return np.array([ids.get(name, IGNORE) for name in names], np.int32)
