"""Overlays of the frames of a video: class colours and a legend over each, without a change of its size."""

import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from hclip_jax.inference.legend import WHITE, LegendRow, draw_legend, font_size, line_height
from hclip_jax.inference.overlay import blend, class_shares
from hclip_jax.inference.palette import class_colours

_LEGEND_OPACITY = 0.8


class FrameOverlay:
    """Paints frames with the same class names."""

    def __init__(self, class_names: Sequence[str], opacity: float) -> None:
        """Chooses the colours.

        Args:
            class_names: T names.
            opacity: opacity of the class colours, as in `overlay`.
        """
        self._names, self._opacity = tuple(class_names), opacity
        self._colours = class_colours(class_names)
        self._legend = functools.lru_cache(maxsize=64)(self._draw_legend)

    def paint(self, image: np.ndarray, label: np.ndarray) -> np.ndarray:
        """The painted frame uint8 [H, W, 3], with a legend over its lower left corner.

        The legend lists all classes or, where they are too many, the largest ones of this frame.

        Args:
            image: uint8 [H, W, 3] RGB.
            label: integers [H, W], class ids; IGNORE is not painted.
        """
        canvas = Image.fromarray(image)
        blend(canvas, label, self._colours, self._opacity)
        if listed := self._listed(label):
            legend = self._legend(listed, max(canvas.size))
            top = max(0, canvas.height - legend.height)
            behind = canvas.crop((0, top, legend.width, top + legend.height))
            canvas.paste(Image.blend(behind, legend, _LEGEND_OPACITY), (0, top))
        return np.asarray(canvas)

    def _listed(self, label: np.ndarray) -> tuple[int, ...]:
        """The classes of the legend, in the order of their ids."""
        half = label.shape[0] // 2  # the legend covers no more of the frame's height
        max_rows = max(1, half // line_height(font_size(max(label.shape))) - 1)
        if len(self._names) <= max_rows:
            return tuple(range(len(self._names)))
        shares = class_shares(label, len(self._names))
        largest = np.argsort(-shares, kind="stable")[:max_rows]
        return tuple(sorted(int(t) for t in largest if shares[t] > 0))

    def _draw_legend(self, listed: tuple[int, ...], size: int) -> Image.Image:
        em = font_size(size)
        rows = [LegendRow(tuple(map(int, self._colours[t])), self._names[t], "") for t in listed]
        return ImageOps.expand(draw_legend(rows, em), em // 2, WHITE)
