"""What came out of segmenting one picture."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from hclip_jax.data.types import IGNORE
from hclip_jax.inference.overlay import overlay


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A picture of H x W pixels, labelled with T classes.

    Attributes:
        image: uint8 [H, W, 3] RGB, upright.
        class_names: the names in the order of their ids; the last may be "background".
        ids: int32 [H, W], -1 where the most probable class is less probable than the threshold.
        confidence: float32 [H, W], the probability of the most probable class.
    """

    image: np.ndarray
    class_names: tuple[str, ...]
    ids: np.ndarray
    confidence: np.ndarray
    _probabilities: Callable[[], np.ndarray]

    @cached_property
    def probabilities(self) -> np.ndarray:
        """float32 [T, H, W], made when first asked for. A class is a yes-or-no question: no sum of 1.

        Raises:
            UserError: they would fill the memory.
        """
        return self._probabilities()

    def overlay(self, opacity: float = 0.55) -> Image.Image:
        """The labels painted over the picture, with a legend that tells of unknown pixels too.

        See `hclip_jax.inference.overlay.overlay`.
        """
        return overlay(self.image, self.ids, self.class_names, opacity, "unknown")

    def summary(self) -> dict[str, Any]:
        """What is where, in JSON's types: for each class its share of the picture and mean probability."""
        known = self.ids != IGNORE
        ids, count = self.ids[known], len(self.class_names)
        pixels = np.bincount(ids, minlength=count)
        total = np.bincount(ids, weights=self.confidence[known], minlength=count)
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
            "unknown_area": float(1 - known.mean()),
            "classes": rows,
        }

    def label_image(self) -> Image.Image:
        """The ids as a picture of one channel, unknown as 255; from 256 classes on 16 bits and 65535."""
        wide = len(self.class_names) > 255
        ids = np.where(self.ids == IGNORE, 65535 if wide else 255, self.ids)
        return Image.fromarray(ids.astype(np.uint16 if wide else np.uint8))
