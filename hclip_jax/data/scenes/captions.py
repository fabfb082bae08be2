"""Captioned scenes for contrastive pretraining, without pixel labels."""

from typing import TypedDict

import numpy as np
from PIL import Image

from hclip_jax.data.scenes.drawing import draw
from hclip_jax.data.scenes.label_sets import COMPOSITIONS, STUFF, SYNONYMS, THING, THINGS

_MIN_VISIBLE = 0.01  # fraction of the pixels below which captions leave an object out
_CANVAS_SIZE = 160  # height and width that scenes are drawn at, in pixels
_TEMPLATES = ("{}", "a {}", "a photo of a {}", "a photo of a {} in the scene")
_SPLITS = ("train", "val", "test")
_SEED = 7  # other scenes than those with pixel labels


class CaptionedScene(TypedDict):
    """An image and the things that captions can name.

    Attributes:
        image: uint8 [H, W, 3].
        things: int32, indices into STUFF + THINGS of all visible things.
    """

    image: np.ndarray
    things: np.ndarray


def captioned_scene(split: str, index: int, image_size: int) -> CaptionedScene:
    """Draws scene `index` of a split, at H = W = `image_size`.

    No scene equals one with pixel labels. All splits show all compositions.
    """
    rng = np.random.default_rng((_SEED, _SPLITS.index(split), index))
    image, things = draw(_CANVAS_SIZE, _CANVAS_SIZE, COMPOSITIONS, rng)
    ids, counts = np.unique(things, return_counts=True)
    resized = Image.fromarray(image).resize((image_size, image_size), Image.Resampling.BILINEAR)
    return {"image": np.asarray(resized), "things": ids[counts >= _MIN_VISIBLE * things.size]}


def caption(things: np.ndarray, rng: np.random.Generator) -> str:
    """Names a random subset of the things, in random order, each by its first name or its synonym."""
    named = rng.permutation(things)[: rng.integers(1, len(things) + 1)]
    template = _TEMPLATES[rng.integers(len(_TEMPLATES))]
    return template.replace("{}", " and a ".join(_random_phrase(int(thing), rng) for thing in named))


def full_caption(things: np.ndarray) -> str:
    """Names all things by their first names."""
    return "a photo of a " + " and a ".join(" ".join(_first_names(int(thing))) for thing in things)


def _random_phrase(thing: int, rng: np.random.Generator) -> str:
    *attributes, name = _first_names(thing)
    terms = [attribute for attribute in attributes if rng.random() < 0.75]
    terms.append(THING if attributes and rng.random() < 0.5 else name)
    return " ".join(SYNONYMS[term] if rng.random() < 0.4 else term for term in terms)


def _first_names(thing: int) -> tuple[str, ...]:
    """(name,) of stuff, (pattern, colour, shape) of an object."""
    if thing < len(STUFF):
        return (STUFF[thing],)
    return THINGS[thing - len(STUFF)]
