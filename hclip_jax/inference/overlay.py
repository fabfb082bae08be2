"""Pictures of label maps: classes painted over the photo, and a legend that hides nothing of it."""

import contextlib
import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError

_SMALLEST = 480  # pixels; pictures whose long side is shorter are enlarged by a whole factor
_LEGEND_ROWS = 20
_LONGEST_TEXT = 18  # em
_FIRST_COLOUR = (230, 50, 50)
_PAPER, _INK, _FAINT = (255, 255, 255), (28, 28, 28), (120, 120, 120)

# Pillow's own font knows Latin only; where the system has one of these, other scripts show as well.
_FONTS = ("NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "msyh.ttc", "DejaVuSans.ttf")


class _Row(NamedTuple):
    colour: tuple[int, ...] | None
    name: str
    value: str


def palette(count: int) -> np.ndarray:
    """Returns uint8 [count, 3] RGB: each colour is the one that looks farthest from all before it.

    So colour t is the same for any `count`. Beyond some thousands they repeat.
    """
    colours = _colours(count)
    return colours[np.arange(count) % len(colours)]


def overlay(
    image: np.ndarray, label: np.ndarray, class_names: Sequence[str], opacity: float = 0.55, unknown: str = ""
) -> Image.Image:
    """Paints a label map over its picture, with thin borders and a legend.

    Args:
        image: uint8 [H, W, 3] RGB.
        label: integers [H, W], class ids; IGNORE stays unpainted.
        class_names: T names.
        opacity: of the paint, from 0 (borders only) to 1 (the picture does not show).
        unknown: what the legend calls pixels that are IGNORE, in its last row; "" leaves them out.

    Returns:
        The painted picture, enlarged if small, and a legend of the largest classes with their share
        of the picture: below it, or beside it if it is taller than wide.

    Raises:
        UserError: a shape, a dtype, a class id or the opacity is not as said above.
    """
    _check(image, {"label": label}, len(class_names), opacity)
    share = _share(label, len(class_names))
    values = [f"{_percent(part)} %" for part in share]
    painted = _paint(image, label, len(class_names), opacity)
    em = _em(max(painted.size))
    ignored = 100 * float((label == IGNORE).mean()) if unknown else 0.0
    last = [_Row(_PAPER, unknown, f"{_percent(ignored)} %")] if ignored else []
    rows = [*_rows(share, values, class_names, _LEGEND_ROWS - len(last)), *last]
    return _with_legend(painted, rows, em) if rows else painted


def comparison(
    image: np.ndarray, truth: np.ndarray, prediction: np.ndarray, class_names: Sequence[str]
) -> Image.Image:
    """Shows picture, ground truth and prediction side by side, with one legend.

    Args:
        image: uint8 [H, W, 3] RGB.
        truth: integers [H, W], class ids; IGNORE stays unpainted.
        prediction: integers [H, W], as truth.
        class_names: T names.

    Returns:
        The three, enlarged if small, and a legend of the largest classes of either with their share
        of the picture, in the ground truth and in the prediction.

    Raises:
        UserError: a shape, a dtype or a class id is not as said above.
    """
    T, opacity = len(class_names), 0.7
    _check(image, {"truth": truth, "prediction": prediction}, T, opacity)
    panels = {
        "picture": _enlarge(Image.fromarray(image)),
        "truth": _paint(image, truth, T, opacity),
        "prediction": _paint(image, prediction, T, opacity),
    }
    width, height = panels["picture"].size
    em = _em(max(3 * width, height))
    captioned = [_join([_text(caption, em, _INK), panel], 0, down=True) for caption, panel in panels.items()]
    side_by_side = _join(captioned, em // 2, down=False)

    shares = _share(truth, T), _share(prediction, T)
    values = [f"{_percent(a)} / {_percent(b)}" for a, b in zip(*shares, strict=True)]
    rows = _rows(np.maximum(*shares), values, class_names, _LEGEND_ROWS)
    title = "% of the picture, truth / prediction"
    return _with_legend(side_by_side, rows, em, title) if rows else side_by_side


def _check(image: np.ndarray, labels: dict[str, np.ndarray], T: int, opacity: float) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise UserError(
            f"The picture is {image.dtype} {image.shape}; give it as uint8 [H, W, 3], RGB 0 to 255."
        )
    for name, label in labels.items():
        if label.shape != image.shape[:2]:
            raise UserError(
                f"The {name} is {label.shape} but the picture is {image.shape[:2]}; resize the "
                f"{name} to the picture."
            )
        ids = np.unique(label)
        wrong = ids[(ids != IGNORE) & ((ids < 0) | (ids >= T))]
        if wrong.size:
            raise UserError(
                f"The {name} holds class id {wrong[0]}, but the {T} classes have ids 0 to {T - 1} "
                f"({IGNORE} = ignore); use the class list it was made with."
            )
    if not 0 <= opacity <= 1:
        raise UserError(f"opacity is {opacity}; choose a number from 0 to 1.")


def _enlarge(picture: Image.Image) -> Image.Image:
    factor = math.ceil(_SMALLEST / max(picture.size))
    width, height = picture.size
    size = (width * factor, height * factor)
    return picture.resize(size, Image.Resampling.BICUBIC) if factor > 1 else picture


def _paint(image: np.ndarray, label: np.ndarray, T: int, opacity: float) -> Image.Image:
    picture = _enlarge(Image.fromarray(image))
    factor = picture.width // image.shape[1]
    label = label.astype(np.int32).repeat(factor, axis=0).repeat(factor, axis=1)
    # The extra colour at the end is what IGNORE (-1) picks; the mask below takes it away again.
    colours = Image.fromarray(palette(T + 1)[label])
    tinted = Image.composite(
        Image.blend(picture, colours, opacity), picture, Image.fromarray(label != IGNORE)
    )
    thickness = max(1, round(min(picture.size) / 480))
    border = np.zeros(label.shape, bool)
    border[thickness:] |= label[thickness:] != label[:-thickness]
    border[:, thickness:] |= label[:, thickness:] != label[:, :-thickness]
    # Not quite white, so that a speckled label map still shows its colours.
    strength = Image.fromarray(border.astype(np.uint8) * 200)
    return Image.composite(Image.new("RGB", picture.size, _PAPER), tinted, strength)


def _share(label: np.ndarray, T: int) -> np.ndarray:
    """The percentage of the picture that each class covers, float64 [T]."""
    return 100 * np.bincount(label[label != IGNORE].astype(np.int64), minlength=T) / label.size


def _percent(share: float) -> str:
    return "<0.1" if 0 < share < 0.1 else f"{share:.1f}"


def _rows(share: np.ndarray, values: Sequence[str], class_names: Sequence[str], most: int) -> list[_Row]:
    """At most so many rows of the legend, largest class first; the last one says how many did not fit."""
    colours = palette(len(class_names))
    present = [int(t) for t in np.argsort(-share, kind="stable") if share[t] > 0]
    shown = present if len(present) <= most else present[: most - 1]
    rows = [_Row(tuple(map(int, colours[t])), class_names[t], values[t]) for t in shown]
    hidden = len(present) - len(shown)
    return [*rows, _Row(None, f"+{hidden} more", "")] if hidden else rows


def _with_legend(picture: Image.Image, rows: list[_Row], em: int, title: str = "") -> Image.Image:
    names = [_text(row.name, em, _INK if row.colour else _FAINT) for row in rows]
    values = [_text(row.value, em, _INK) for row in rows]
    line, swatch = names[0].height, round(1.6 * em)
    text_width = max(name.width for name in names) + em + max(value.width for value in values)
    cell = swatch + text_width + 2 * em  # the last: the gap between columns

    below = picture.width >= picture.height
    columns = picture.width // cell if below else math.ceil(len(rows) * line / picture.height)
    columns = min(max(columns, 1), len(rows))
    down = math.ceil(len(rows) / columns)
    legend = Image.new("RGB", (columns * cell, down * line), _PAPER)
    draw = ImageDraw.Draw(legend)
    for i, (row, name, value) in enumerate(zip(rows, names, values, strict=True)):
        x, y = i // down * cell, i % down * line
        if row.colour:
            top = y + (line - em) // 2
            # Without paint only its outline shows.
            outline = _FAINT if row.colour == _PAPER else None
            draw.rounded_rectangle((x, top, x + em, top + em), em // 5, row.colour, outline)
        legend.paste(name, (x + swatch, y))
        legend.paste(value, (x + swatch + text_width - value.width, y))
    if title:
        legend = _join([_text(title, em, _FAINT), legend], 0, down=True)
    return ImageOps.expand(_join([picture, legend], em, down=below), em, _PAPER)


def _join(parts: Sequence[Image.Image], gap: int, down: bool) -> Image.Image:
    """Puts pictures below or beside one another on white."""
    widths, heights = [part.width for part in parts], [part.height for part in parts]
    gaps = gap * (len(parts) - 1)
    size = (max(widths), sum(heights) + gaps) if down else (sum(widths) + gaps, max(heights))
    sheet, place = Image.new("RGB", size, _PAPER), 0
    for part in parts:
        sheet.paste(part, (0, place) if down else (place, 0))
        place += (part.height if down else part.width) + gap
    return sheet


def _text(text: str, em: int, colour: tuple[int, int, int]) -> Image.Image:
    """One line of text, as tall as a legend row, cut with an ellipsis where it is too long."""
    font, room = _font(em), _LONGEST_TEXT * em
    text = " ".join(text.split())[: 4 * _LONGEST_TEXT]
    if font.getlength(text) > room:
        while text and font.getlength(text + "…") > room:
            text = text[:-1]
        text = text.rstrip() + "…"
    line = Image.new("RGB", (math.ceil(font.getlength(text)), round(1.5 * em)), _PAPER)
    ImageDraw.Draw(line).text((0, line.height / 2), text, colour, font, anchor="lm")
    return line


def _em(side: int) -> int:
    """The size of letters that stay legible when a side of so many pixels is fitted to a screen."""
    return max(14, round(side / 60))


@functools.cache
def _font(em: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in _FONTS:
        with contextlib.suppress(OSError):
            return ImageFont.truetype(name, em)
    return ImageFont.load_default(em)


@functools.cache
def _colours(count: int) -> np.ndarray:
    levels = np.linspace(0, 255, 22).round().astype(np.uint8)
    rgb = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    lab = _oklab(rgb)
    lightness, chroma = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
    vivid = (lightness > 0.42) & (lightness < 0.9) & (chroma > 0.08)
    # The photo below changes the paint's lightness, so lightness tells classes apart less well.
    rgb, lab = rgb[vivid], lab[vivid] * [0.6, 1, 1]

    order = [int(np.abs(rgb - np.array(_FIRST_COLOUR, np.float64)).sum(axis=1).argmin())]
    gap = np.full(len(rgb), np.inf)
    while len(order) < min(count, len(rgb)):
        gap = np.minimum(gap, ((lab - lab[order[-1]]) ** 2).sum(axis=1))
        order.append(int(gap.argmax()))
    return rgb[order]


def _oklab(rgb: np.ndarray) -> np.ndarray:
    """uint8 sRGB [..., 3] to Ottosson's OKLab, where distance is difference to the eye."""
    s = rgb / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    to_lms = [[0.4122215, 0.5363325, 0.0514460], [0.2119035, 0.6806995, 0.1073970]]
    to_lms += [[0.0883025, 0.2817188, 0.6299787]]
    to_lab = [[0.2104543, 0.7936178, -0.0040720], [1.9779985, -2.4285922, 0.4505937]]
    to_lab += [[0.0259040, 0.7827718, -0.8086758]]
    return np.cbrt(linear @ np.transpose(to_lms)) @ np.transpose(to_lab)
