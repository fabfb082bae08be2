"""Overlays: class colours blended over an image, with a legend beside or below it."""

import contextlib
import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from hclip_jax.data.bands import resize_bilinear, row_bands
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from hclip_jax.inference.palette import palette

_MIN_LONG_EDGE = 480  # pixels; smaller images are enlarged by a whole factor
_MAX_LONG_EDGE = 4096  # larger ones are reduced; the legend grows with the image, and so does memory
_MAX_LEGEND_ROWS = 20
_MAX_TEXT_WIDTH = 18  # em
_WHITE, _BLACK, _GREY = (255, 255, 255), (28, 28, 28), (120, 120, 120)

# Pillow's built-in font covers Latin only; with one of these system fonts other scripts are drawn too.
_FONTS = ("NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "msyh.ttc", "DejaVuSans.ttf")


class _LegendRow(NamedTuple):
    colour: tuple[int, ...] | None
    name: str
    value: str


def overlay(
    image: np.ndarray, label: np.ndarray, class_names: Sequence[str], opacity: float = 0.55, unknown: str = ""
) -> Image.Image:
    """Blends a label map over its image, with thin borders between classes and a legend.

    Args:
        image: uint8 [H, W, 3] RGB.
        label: integers [H, W], class ids; IGNORE is not painted.
        class_names: T names.
        opacity: opacity of the class colours, from 0 (only borders) to 1 (the image is hidden).
        unknown: name of IGNORE pixels in the last row of the legend; "" leaves that row out.

    Returns:
        The painted image, enlarged if it is small and reduced if an edge is longer than 4,096 pixels, and a
        legend of the largest classes with their share of the image. The legend is below the image, or beside
        it if the image is taller than wide.

    Raises:
        UserError: a shape, dtype, class id or the opacity is not as described above.
    """
    _check_inputs(image, {"label": label}, len(class_names), opacity)
    shares = _class_shares(label, len(class_names))
    values = [f"{_percent(share)} %" for share in shares]
    small_image, small_label = _reduce(image, label)
    painted = _paint(small_image, small_label, len(class_names), opacity)
    em = _em(max(painted.size))
    has_unknown = bool(unknown) and label.min() == IGNORE
    unknown_rows = [_LegendRow(_WHITE, unknown, f"{_percent(100 - shares.sum())} %")] if has_unknown else []
    rows = _legend_rows(shares, values, class_names, _MAX_LEGEND_ROWS - len(unknown_rows))
    rows += unknown_rows
    return _with_legend(painted, rows, em) if rows else painted


def comparison(
    image: np.ndarray, truth: np.ndarray, prediction: np.ndarray, class_names: Sequence[str]
) -> Image.Image:
    """Image, ground truth and prediction side by side, with one legend.

    Args:
        image: uint8 [H, W, 3] RGB.
        truth: integers [H, W], class ids; IGNORE is not painted.
        prediction: integers [H, W], as `truth`.
        class_names: T names.

    Returns:
        The three panels, enlarged or reduced as in `overlay`, and a legend of the largest classes of either
        label map with their share of the image in the ground truth and in the prediction.

    Raises:
        UserError: a shape, dtype or class id is not as described above.
    """
    T, opacity = len(class_names), 0.7
    _check_inputs(image, {"truth": truth, "prediction": prediction}, T, opacity)
    small_image, small_truth, small_prediction = _reduce(image, truth, prediction)
    panels = {
        "image": _enlarge(Image.fromarray(small_image)),
        "truth": _paint(small_image, small_truth, T, opacity),
        "prediction": _paint(small_image, small_prediction, T, opacity),
    }
    width, height = panels["image"].size
    em = _em(max(3 * width, height))
    captioned = [
        _concatenate([_text_line(caption, em, _BLACK), panel], 0, vertical=True)
        for caption, panel in panels.items()
    ]
    side_by_side = _concatenate(captioned, em // 2, vertical=False)

    shares = _class_shares(truth, T), _class_shares(prediction, T)
    values = [f"{_percent(a)} / {_percent(b)}" for a, b in zip(*shares, strict=True)]
    rows = _legend_rows(np.maximum(*shares), values, class_names, _MAX_LEGEND_ROWS)
    title = "% of the image, truth / prediction"
    return _with_legend(side_by_side, rows, em, title) if rows else side_by_side


def _check_inputs(image: np.ndarray, labels: dict[str, np.ndarray], T: int, opacity: float) -> None:
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


def _reduce(image: np.ndarray, *labels: np.ndarray) -> tuple[np.ndarray, ...]:
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


def _enlarge(image: Image.Image) -> Image.Image:
    factor = math.ceil(_MIN_LONG_EDGE / max(image.size))
    width, height = image.size
    size = (width * factor, height * factor)
    return image.resize(size, Image.Resampling.BICUBIC) if factor > 1 else image


def _paint(image: np.ndarray, label: np.ndarray, T: int, opacity: float) -> Image.Image:
    """The enlarged image with class colours and borders blended over it."""
    canvas = _enlarge(Image.fromarray(image))
    factor = canvas.width // image.shape[1]
    label = label.repeat(factor, axis=0).repeat(factor, axis=1)
    # IGNORE (-1) indexes the extra colour at the end; the mask leaves it out again.
    colours = Image.fromarray(palette(T + 1)[label])
    canvas.paste(Image.blend(canvas, colours, opacity), mask=Image.fromarray(label != IGNORE))
    thickness = max(1, round(min(canvas.size) / 480))
    border = np.zeros(label.shape, bool)
    border[thickness:] |= label[thickness:] != label[:-thickness]
    border[:, thickness:] |= label[:, thickness:] != label[:, :-thickness]
    # Not fully opaque, so that a speckled label map still shows its colours.
    canvas.paste(_WHITE, (0, 0, *canvas.size), Image.fromarray(border.astype(np.uint8) * 200))
    return canvas


def _class_shares(label: np.ndarray, T: int) -> np.ndarray:
    """Percentage of the image that each class covers, float64 [T]."""
    pixels = np.zeros(T, np.int64)
    for rows in row_bands(*label.shape):
        known = label[rows][label[rows] != IGNORE]
        pixels += np.bincount(known.astype(np.int64), minlength=T)
    return 100 * pixels / label.size


def _percent(share: float) -> str:
    return "<0.1" if 0 < share < 0.1 else f"{share:.1f}"


def _legend_rows(
    shares: np.ndarray, values: Sequence[str], class_names: Sequence[str], max_rows: int
) -> list[_LegendRow]:
    """At most `max_rows` rows, largest class first; if classes are left out, the last row counts them."""
    colours = palette(len(class_names))
    present = [int(t) for t in np.argsort(-shares, kind="stable") if shares[t] > 0]
    listed = present if len(present) <= max_rows else present[: max_rows - 1]
    rows = [_LegendRow(tuple(map(int, colours[t])), class_names[t], values[t]) for t in listed]
    hidden = len(present) - len(listed)
    return [*rows, _LegendRow(None, f"+{hidden} more", "")] if hidden else rows


def _with_legend(image: Image.Image, rows: list[_LegendRow], em: int, title: str = "") -> Image.Image:
    names = [_text_line(row.name, em, _BLACK if row.colour else _GREY) for row in rows]
    values = [_text_line(row.value, em, _BLACK) for row in rows]
    line_height, swatch_width = names[0].height, round(1.6 * em)
    text_width = max(name.width for name in names) + em + max(value.width for value in values)
    cell_width = swatch_width + text_width + 2 * em  # 2 em between columns

    below = image.width >= image.height
    columns = image.width // cell_width if below else math.ceil(len(rows) * line_height / image.height)
    columns = min(max(columns, 1), len(rows))
    rows_per_column = math.ceil(len(rows) / columns)
    legend = Image.new("RGB", (columns * cell_width, rows_per_column * line_height), _WHITE)
    draw = ImageDraw.Draw(legend)
    for i, (row, name, value) in enumerate(zip(rows, names, values, strict=True)):
        x, y = i // rows_per_column * cell_width, i % rows_per_column * line_height
        if row.colour:
            top = y + (line_height - em) // 2
            # A white swatch is visible only by its outline.
            outline = _GREY if row.colour == _WHITE else None
            draw.rounded_rectangle((x, top, x + em, top + em), em // 5, row.colour, outline)
        legend.paste(name, (x + swatch_width, y))
        legend.paste(value, (x + swatch_width + text_width - value.width, y))
    if title:
        legend = _concatenate([_text_line(title, em, _GREY), legend], 0, vertical=True)
    return ImageOps.expand(_concatenate([image, legend], em, vertical=below), em, _WHITE)


def _concatenate(images: Sequence[Image.Image], gap: int, vertical: bool) -> Image.Image:
    """Images below each other, or side by side, on white."""
    widths, heights = [image.width for image in images], [image.height for image in images]
    gaps = gap * (len(images) - 1)
    size = (max(widths), sum(heights) + gaps) if vertical else (sum(widths) + gaps, max(heights))
    sheet, offset = Image.new("RGB", size, _WHITE), 0
    for image in images:
        sheet.paste(image, (0, offset) if vertical else (offset, 0))
        offset += (image.height if vertical else image.width) + gap
    return sheet


def _text_line(text: str, em: int, colour: tuple[int, int, int]) -> Image.Image:
    """One line of text, as tall as a legend row, cut with an ellipsis if it is too long."""
    font, max_width = _font(em), _MAX_TEXT_WIDTH * em
    text = " ".join(text.split())[: 4 * _MAX_TEXT_WIDTH]
    if font.getlength(text) > max_width:
        while text and font.getlength(text + "…") > max_width:
            text = text[:-1]
        text = text.rstrip() + "…"
    line = Image.new("RGB", (math.ceil(font.getlength(text)), round(1.5 * em)), _WHITE)
    ImageDraw.Draw(line).text((0, line.height / 2), text, colour, font, anchor="lm")
    return line


def _em(size: int) -> int:
    """Font size in pixels that is legible when `size` pixels are fitted to a screen."""
    return max(14, round(size / 60))


@functools.cache
def _font(em: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in _FONTS:
        with contextlib.suppress(OSError):
            return ImageFont.truetype(name, em)
    return ImageFont.load_default(em)
