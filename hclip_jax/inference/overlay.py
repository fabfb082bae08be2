"""Overlays: class colours blended over an image, with a legend beside or below it."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from hclip_jax.images.bands import resize_bilinear, row_bands
from hclip_jax.inference.legend import (
    MAX_ROWS,
    WHITE,
    LegendRow,
    absent_rows,
    class_rows,
    font_size,
    percent,
    with_legend,
)
from hclip_jax.inference.palette import class_colours

_MIN_LONG_EDGE = 480  # pixels; smaller images are enlarged by a whole factor
_MAX_LONG_EDGE = 4096  # larger ones are reduced; the legend grows with the image, and so does memory


def overlay(
    image: np.ndarray, label: np.ndarray, class_names: Sequence[str], opacity: float = 0.55, unknown: str = ""
) -> Image.Image:
    """Blends a label map over its image, with thin borders between classes and a legend.

    Args:
        image: uint8 [H, W, 3] RGB.
        label: integers [H, W], class ids; IGNORE is not painted.
        class_names: T names.
        opacity: opacity of the class colours, from 0 (only borders) to 1 (the image is hidden).
        unknown: name of IGNORE pixels in the last row of the legend. "" leaves that row out, and the rows of
            the classes that are not in the label.

    Returns:
        The painted image, enlarged if it is small and reduced if an edge is longer than 4,096 pixels, and a
        legend of the largest classes with their share of the image. The legend is below the image, or beside
        it if the image is taller than wide.

    Raises:
        UserError: a shape, dtype, class id or the opacity is not as described above.
    """
    check_inputs(image, {"label": label}, len(class_names), opacity)
    colours, shares = class_colours(class_names), class_shares(label, len(class_names))
    values = [f"{percent(share)} %" for share in shares]
    small_image, small_label = reduce(image, label)
    painted = paint(small_image, small_label, colours, opacity)
    share = unknown_share(label) if unknown else 0.0
    unknown_rows = [LegendRow(WHITE, unknown, f"{percent(share)} %")] if share else []
    rows = class_rows(shares, values, class_names, colours, MAX_ROWS - len(unknown_rows))
    if unknown:
        absent = [name for name, share in zip(class_names, shares, strict=True) if share == 0]
        rows += absent_rows(absent, MAX_ROWS - len(unknown_rows) - len(rows))
    rows += unknown_rows
    return with_legend(painted, rows, font_size(max(painted.size))) if rows else painted


def check_inputs(image: np.ndarray, labels: dict[str, np.ndarray], T: int, opacity: float) -> None:
    """Raises UserError for a wrong shape, dtype, class id or opacity."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise UserError(
            f"the image is {image.dtype} {image.shape}; it must be uint8 [H, W, 3], RGB from 0 to 255"
        )
    for name, label in labels.items():
        if label.shape != image.shape[:2]:
            raise UserError(
                f"the {name} is {label.shape} but the image is {image.shape[:2]}; resize the {name} to the "
                f"size of the image"
            )
        invalid = [i for i in (int(label.min()), int(label.max())) if not IGNORE <= i < T]
        if invalid:
            raise UserError(
                f"the {name} holds class id {invalid[0]}, but the {T} classes have ids 0 to {T - 1} "
                f"({IGNORE} = ignore); use the class list that the {name} belongs to"
            )
    if not 0 <= opacity <= 1:
        raise UserError(f"opacity is {opacity}; it must be from 0 to 1")


def reduce(image: np.ndarray, *labels: np.ndarray) -> tuple[np.ndarray, ...]:
    """The image [H, W, 3] and its label maps [H, W], reduced to a longest edge of _MAX_LONG_EDGE."""
    height, width = image.shape[:2]
    scale = _MAX_LONG_EDGE / max(height, width)
    if scale >= 1:
        return image, *labels
    size = max(1, round(scale * height)), max(1, round(scale * width))
    nearest = np.ix_(_nearest(size[0], height), _nearest(size[1], width))
    return resize_bilinear(image, size), *(label[nearest] for label in labels)


def _nearest(new: int, old: int) -> np.ndarray:
    """The index of the nearest of `old` samples for each of `new` samples."""
    return ((np.arange(new) + 0.5) * old / new).astype(np.int64)


def enlarge(image: Image.Image) -> Image.Image:
    """A small image, enlarged by a whole factor."""
    factor = math.ceil(_MIN_LONG_EDGE / max(image.size))
    width, height = image.size
    size = (width * factor, height * factor)
    return image.resize(size, Image.Resampling.BICUBIC) if factor > 1 else image


def paint(image: np.ndarray, label: np.ndarray, colours: np.ndarray, opacity: float) -> Image.Image:
    """The enlarged image with class colours uint8 [T, 3] and borders blended over it; IGNORE is left out."""
    canvas = enlarge(Image.fromarray(image))
    factor = canvas.width // image.shape[1]
    blend(canvas, label.repeat(factor, axis=0).repeat(factor, axis=1), colours, opacity)
    return canvas


def blend(canvas: Image.Image, label: np.ndarray, colours: np.ndarray, opacity: float) -> None:
    """Blends class colours and borders over an image of the size of the label, in place; as `paint`."""
    # IGNORE (-1) indexes the extra colour at the end; the mask leaves it out again.
    coloured = Image.fromarray(np.vstack([colours, colours[-1:]])[label])
    canvas.paste(Image.blend(canvas, coloured, opacity), mask=Image.fromarray(label != IGNORE))
    thickness = max(1, round(min(canvas.size) / 480))
    border = np.zeros(label.shape, bool)
    border[thickness:] |= label[thickness:] != label[:-thickness]
    border[:, thickness:] |= label[:, thickness:] != label[:, :-thickness]
    # Not fully opaque, so that a speckled label map still shows its colours.
    canvas.paste(WHITE, (0, 0, *canvas.size), Image.fromarray(border.astype(np.uint8) * 200))


def class_shares(label: np.ndarray, T: int) -> np.ndarray:
    """Percentage of the image that each class covers, float64 [T]."""
    pixels = np.zeros(T, np.int64)
    for rows in row_bands(*label.shape):
        known = label[rows][label[rows] != IGNORE]
        pixels += np.bincount(known.astype(np.int64), minlength=T)
    return 100 * pixels / label.size


def unknown_share(label: np.ndarray) -> float:
    """Percentage of the image that no class covers: exactly 0 where all pixels have one."""
    return 100 * sum(int((label[rows] == IGNORE).sum()) for rows in row_bands(*label.shape)) / label.size
