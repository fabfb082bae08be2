"""The result of segmenting one image."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError, one_line
from hclip_jax.images.bands import row_bands
from hclip_jax.inference.legend import percent
from hclip_jax.inference.overlay import class_shares, overlay, unknown_share
from hclip_jax.inference.palette import class_colours

MAX_LABEL_CLASSES = 65534
_MAX_SHOWN = 8
_NOTEBOOK_EDGE = 1024


@dataclass(frozen=True, eq=False, repr=False)
class Segmentation:
    """An image of H x W pixels labelled with T classes.

    Attributes:
        image: uint8 [H, W, 3] RGB, upright.
        class_names: class names in the order of their ids; the last may be "background".
        ids: int32 [H, W], -1 (unknown) where the most probable class is below the threshold.
        confidence: float32 [H, W], probability of the most probable class.

    From 33 megapixels on, ids have the narrowest signed dtype and confidence is float16, to save memory.
    """

    image: np.ndarray
    class_names: tuple[str, ...]
    ids: np.ndarray
    confidence: np.ndarray
    _probabilities: Callable[[], np.ndarray]

    @cached_property
    def probabilities(self) -> np.ndarray:
        """float32 [T, H, W], computed at the first access. A sigmoid a class: no sum of 1 over the classes.

        Raises:
            UserError: they would need too much memory.
        """
        return self._probabilities()

    def overlay(self, opacity: float = 0.55) -> Image.Image:
        """The labels painted over the image, with a legend that has a row for unknown pixels.

        See `hclip_jax.inference.overlay.overlay`.
        """
        return overlay(self.image, self.ids, self.class_names, opacity, "unknown")

    def __repr__(self) -> str:
        """One line: the size, and the largest classes with their shares of the image."""
        height, width = self.ids.shape
        shares = class_shares(self.ids, len(self.class_names))
        found = [int(t) for t in np.argsort(-shares, kind="stable") if shares[t] > 0]
        parts = [f"{one_line(self.class_names[t], 40)} {percent(shares[t])} %" for t in found[:_MAX_SHOWN]]
        if len(found) > _MAX_SHOWN:
            parts.append(f"+{len(found) - _MAX_SHOWN} more")
        if unknown := unknown_share(self.ids):
            parts.append(f"unknown {percent(unknown)} %")
        return f"Segmentation({width} x {height} pixels: {', '.join(parts)})"

    def _repr_png_(self) -> bytes:
        """The overlay with its legend as PNG, at most 1,024 pixels wide or high, which a notebook shows."""
        image = self.overlay()
        image.thumbnail((_NOTEBOOK_EDGE, _NOTEBOOK_EDGE))
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        return buffer.getvalue()

    def summary(self) -> dict[str, Any]:
        """Size of the image, and for each class its share of the image and mean probability.

        Returns:
            JSON types. "area" and "unknown_area" are shares from 0 to 1; "mean_probability" is None for a
            class without pixels.
        """
        pixels, total = self._pixels_and_confidence()
        rows = [
            {
                "id": t,
                "name": name,
                "pixels": int(pixels[t]),
                "area": float(pixels[t] / self.ids.size),
                "mean_probability": float(total[t] / pixels[t]) if pixels[t] else None,
            }
            for t, name in enumerate(self.class_names)
        ]
        height, width = self.ids.shape
        return {
            "width": width,
            "height": height,
            "unknown_area": float(1 - pixels.sum() / self.ids.size),
            "classes": rows,
        }

    def label_image(self) -> Image.Image:
        """The ids as a single-channel image; unknown is 255, or 65535 (16 bits) from 256 classes on.

        Up to 255 classes the ids are the indices of a palette of the colours of the overlay, with white for
        unknown: Pillow and NumPy read ids, and viewers show colours.

        Raises:
            UserError: there are more than MAX_LABEL_CLASSES classes.
        """
        check_num_classes(len(self.class_names))
        # -1 (unknown) becomes the largest value.
        if len(self.class_names) > 255:
            return Image.fromarray(self.ids.astype(np.uint16))
        image = Image.fromarray(self.ids.astype(np.uint8))
        colours = np.full((256, 3), 255, np.uint8)  # all 256, or a PNG of few colours gets fewer bits
        colours[: len(self.class_names)] = class_colours(self.class_names)
        image.putpalette(colours.tobytes())
        return image

    def _pixels_and_confidence(self) -> tuple[np.ndarray, np.ndarray]:
        """The number of pixels of each class [T], and the sum of their confidence."""
        num_classes = len(self.class_names)
        pixels, total = np.zeros(num_classes, np.int64), np.zeros(num_classes)
        for rows in row_bands(*self.ids.shape):
            known = self.ids[rows] != IGNORE
            ids = self.ids[rows][known]
            pixels += np.bincount(ids, minlength=num_classes)
            total += np.bincount(ids, weights=self.confidence[rows][known], minlength=num_classes)
        return pixels, total


def check_num_classes(num_classes: int) -> None:
    """Raises UserError if there are too many classes for a label image."""
    if num_classes > MAX_LABEL_CLASSES:
        raise UserError(
            f"there are {num_classes:,} classes, but a label image of 16 bits holds at most "
            f"{MAX_LABEL_CLASSES:,}: give fewer class names"
        )
