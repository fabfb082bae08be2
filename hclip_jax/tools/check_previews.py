"""Few pictures of a split that show as many of its classes as possible, painted."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from hclip_jax.data.check.pair import Pair
from hclip_jax.data.image_io import ignore_value, read_image, read_raw_label
from hclip_jax.data.types import IGNORE
from hclip_jax.inference.overlay import overlay


def choose_previews(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Chooses up to `count` readable pairs, each the one with the most classes not shown so far."""
    left = [pair for pair in pairs if pair.readable]
    chosen: list[Pair] = []
    shown: set[int] = set()
    while left and len(chosen) < count:
        best = max(left, key=lambda pair: (len(pair.pixels.keys() - shown), len(pair.pixels)))
        left.remove(best)
        chosen.append(best)
        shown |= best.pixels.keys()
    return chosen


def paint_preview(pair: Pair, class_names: Sequence[str]) -> Image.Image:
    """Paints a readable pair; ids that are no class stay unpainted, as unlabelled pixels do."""
    assert pair.label
    raw = read_raw_label(pair.label)
    is_class = (raw >= 0) & (raw < len(class_names)) & (raw != ignore_value(raw))
    label = np.where(is_class, raw.astype(np.int32), IGNORE)
    return overlay(read_image(pair.picture), label, class_names)
