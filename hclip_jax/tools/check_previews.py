"""Overlays of a few images of a split that show as many of its classes as possible."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from hclip_jax.data.check.pair import CheckedPair
from hclip_jax.data.label_io import ignore_value
from hclip_jax.data.types import IGNORE
from hclip_jax.images.image_io import read_image
from hclip_jax.inference.overlay import overlay


def choose_previews(pairs: Sequence[CheckedPair], num_previews: int) -> list[CheckedPair]:
    """Chooses up to `num_previews` pairs greedily, each time the one with the most classes not yet covered.

    Pairs whose label may not be turned as the image come first. Only pairs whose sizes match are chosen.
    """
    candidates = [pair for pair in pairs if pair.sizes_match]
    chosen: list[CheckedPair] = []
    covered: set[int] = set()
    while candidates and len(chosen) < num_previews:
        best = max(
            candidates,
            key=lambda pair: (
                pair.may_be_rotated,
                len(pair.pixel_counts.keys() - covered),
                len(pair.pixel_counts),
            ),
        )
        candidates.remove(best)
        chosen.append(best)
        covered |= best.pixel_counts.keys()
    return chosen


def draw_preview(pair: CheckedPair, class_names: Sequence[str]) -> Image.Image:
    """Draws the overlay of a pair; invalid ids are left out, as are unlabelled pixels."""
    raw = pair.stored_ids()
    is_class = (raw >= 0) & (raw < len(class_names)) & (raw != ignore_value(raw))
    label = np.where(is_class, raw.astype(np.int32), IGNORE)
    return overlay(read_image(pair.files.image), label, class_names)
