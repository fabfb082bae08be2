"""What there is in the built-in world and what it is called.

An object is a pattern, a colour and a shape. Pixel labels name its pattern and colour, "striped red thing";
five of those 20 compositions never occur in the train split. Captions know all of them, and a second word
for everything: naming what no pixel label ever named is the open-vocabulary test.
"""

import itertools
from typing import NamedTuple

import numpy as np

from hclip_jax.data.scenes.shapes import SHAPES
from hclip_jax.data.types import IGNORE

STUFF = ("sky", "grass", "sand", "water", "snow", "brick wall", "wooden floor")
COLOURS = ("red", "green", "blue", "yellow", "purple")
PATTERNS = ("plain", "striped", "dotted", "checked")
THING = "thing"  # an object whatever its shape


class Thing(NamedTuple):
    """What an object is."""

    pattern: str
    colour: str
    shape: str


THINGS = tuple(itertools.starmap(Thing, itertools.product(PATTERNS, COLOURS, SHAPES)))
COMPOSITIONS = tuple(itertools.product(PATTERNS, COLOURS))
UNSEEN = (
    ("striped", "red"),
    ("dotted", "green"),
    ("checked", "blue"),
    ("plain", "yellow"),
    ("striped", "purple"),
)
"""Compositions that the train split never shows, though it shows their patterns and colours."""
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
    "thing": "object",
    "circle": "disc",
    "square": "box",
    "triangle": "wedge",
    "star": "asterisk",
    "ring": "hoop",
}
"""The second word for everything: captions use either, pixel labels of the train split the first alone."""


def _name(thing: Thing) -> str:
    return f"{thing.pattern} {thing.colour} {THING}"


def _synonym(thing: Thing) -> str:
    return " ".join(SYNONYMS[word] for word in _name(thing).split())


def _regrouped(thing: Thing) -> str:
    return f"{thing.colour} {thing.shape}"


_NAMES = {  # vocabulary -> the names of STUFF and then of THINGS
    "all": (*STUFF, *map(_name, THINGS)),
    "shapes": (*STUFF, *(thing.shape for thing in THINGS)),
    "regrouped": (*STUFF, *map(_regrouped, THINGS)),
    "synonyms": (*map(SYNONYMS.__getitem__, STUFF), *map(_synonym, THINGS)),
}

LABEL_SETS: dict[str, tuple[str, ...]] = {
    "seen": STUFF + tuple(f"{pattern} {colour} {THING}" for pattern, colour in SEEN),
    **{vocabulary: tuple(dict.fromkeys(names)) for vocabulary, names in _NAMES.items()},
}
"""Class names: `seen` (what the train split shows), `all` compositions, the same in `synonyms`; objects by
their `shapes`, and `regrouped` by colour and shape."""


def class_ids(vocabulary: str) -> np.ndarray:
    """The class of everything that can be drawn, int32 [len(STUFF) + len(THINGS)], or IGNORE."""
    ids = {name: index for index, name in enumerate(LABEL_SETS[vocabulary])}
    names = _NAMES["all" if vocabulary == "seen" else vocabulary]
    return np.array([ids.get(name, IGNORE) for name in names], np.int32)
