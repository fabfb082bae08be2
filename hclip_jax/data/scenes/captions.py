"""Built-in scenes in words: what a contrastive training learns from, without pixel labels."""

from typing import TypedDict

import numpy as np
from PIL import Image

from hclip_jax.data.scenes.drawing import draw
from hclip_jax.data.scenes.label_sets import COMPOSITIONS, STUFF, SYNONYMS, THING, THINGS

_VISIBLE = 0.01  # share of the picture below which nothing is said of an object
_CANVAS = 160  # pixels a side that scenes are drawn at
_TEMPLATES = ("{}", "a {}", "a photo of a {}", "a photo of a {} in the scene")
_SPLITS = ("train", "val", "test")
_SEED = 7  # apart from the scenes with pixel labels


class Captioned(TypedDict):
    """A picture and words.

    Attributes:
        image: uint8 [side, side, 3].
        things: int32, indices into STUFF + THINGS of what can be seen.
    """

    image: np.ndarray
    things: np.ndarray


def captioned_scene(split: str, index: int, side: int) -> Captioned:
    """Scene `index` of a split, another one than any with pixel labels: it shows all compositions."""
    rng = np.random.default_rng((_SEED, _SPLITS.index(split), index))
    image, things = draw(_CANVAS, _CANVAS, COMPOSITIONS, rng)
    ids, counts = np.unique(things, return_counts=True)
    small = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
    return {"image": np.asarray(small), "things": ids[counts >= _VISIBLE * things.size]}


def caption(things: np.ndarray, rng: np.random.Generator) -> str:
    """Says some of what can be seen, in any order and in either of its words."""
    said = rng.permutation(things)[: rng.integers(1, len(things) + 1)]
    template = _TEMPLATES[rng.integers(len(_TEMPLATES))]
    return template.replace("{}", " and a ".join(_phrase(int(thing), rng) for thing in said))


def full_caption(things: np.ndarray) -> str:
    """Says all that can be seen, in the first word for everything."""
    return "a photo of a " + " and a ".join(" ".join(_words(int(thing))) for thing in things)


def _phrase(thing: int, rng: np.random.Generator) -> str:
    *attributes, name = _words(thing)
    words = [word for word in attributes if rng.random() < 0.75]
    words.append(THING if attributes and rng.random() < 0.5 else name)
    return " ".join(SYNONYMS[word] if rng.random() < 0.4 else word for word in words)


def _words(thing: int) -> tuple[str, ...]:
    if thing < len(STUFF):
        return (STUFF[thing],)
    return THINGS[thing - len(STUFF)]
