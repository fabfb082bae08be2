"""Stuff and objects of the built-in scenes, and their class names.

An object is a pattern, a colour and a shape. Pixel labels name its pattern and colour, "striped green thing";
five of those 20 compositions never occur in the train split. Phrases of the pretraining name all of them, and
use a synonym for every term. The open-vocabulary test: class names that occur in no pixel label.
"""

import itertools
from typing import NamedTuple

import numpy as np

from hclip_jax.data.scenes.shapes import SHAPES
from hclip_jax.data.types import IGNORE

STUFF = ("sky", "grass", "sand", "water", "snow", "brick wall", "wooden floor")
COLOURS = ("red", "green", "blue", "yellow", "purple")
PATTERNS = ("plain", "striped", "dotted", "checked")
THING = "thing"  # an object of any shape


class Thing(NamedTuple):
    """The pattern, colour and shape of an object."""

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
"""One synonym for every term. Phrases use both; pixel labels of the train split use the first term only."""


def _composition_name(thing: Thing) -> str:
    return f"{thing.pattern} {thing.colour} {THING}"


def _composition_synonym(thing: Thing) -> str:
    return " ".join(SYNONYMS[term] for term in _composition_name(thing).split())


def _colour_and_shape(thing: Thing) -> str:
    return f"{thing.colour} {thing.shape}"


_NAMES = {  # label set -> the names of STUFF, then of THINGS
    "all": (*STUFF, *map(_composition_name, THINGS)),
    "shapes": (*STUFF, *(thing.shape for thing in THINGS)),
    "regrouped": (*STUFF, *map(_colour_and_shape, THINGS)),
    "synonyms": (*map(SYNONYMS.__getitem__, STUFF), *map(_composition_synonym, THINGS)),
}

LABEL_SETS: dict[str, tuple[str, ...]] = {
    "seen": STUFF + tuple(f"{pattern} {colour} {THING}" for pattern, colour in SEEN),
    **{label_set: tuple(dict.fromkeys(names)) for label_set, names in _NAMES.items()},
}
"""Class names by label set: `seen` (compositions of the train split), `all` compositions, the same as
`synonyms`; objects by their `shapes`, and `regrouped` by colour and shape."""


def class_ids(label_set: str) -> np.ndarray:
    """The class id of each of STUFF + THINGS, int32 [len(STUFF) + len(THINGS)], or IGNORE."""
    id_by_name = {name: t for t, name in enumerate(LABEL_SETS[label_set])}
    names = _NAMES["all" if label_set == "seen" else label_set]
    return np.array([id_by_name.get(name, IGNORE) for name in names], np.int32)
