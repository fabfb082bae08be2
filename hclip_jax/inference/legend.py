"""The legend of an overlay, and the sheet that holds both."""

import contextlib
import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

MAX_ROWS = 20
_MAX_TEXT_WIDTH = 18  # em
WHITE, BLACK, GREY = (255, 255, 255), (28, 28, 28), (120, 120, 120)

# Pillow's built-in font covers Latin only; with one of these system fonts other scripts are drawn too.
_FONTS = ("NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "msyh.ttc", "DejaVuSans.ttf")


class LegendRow(NamedTuple):
    """A row: a colour or none, a name, and a value at the right."""

    colour: tuple[int, ...] | None
    name: str
    value: str


def class_rows(
    shares: np.ndarray,
    values: Sequence[str],
    class_names: Sequence[str],
    colours: np.ndarray,
    max_rows: int = MAX_ROWS,
) -> list[LegendRow]:
    """At most `max_rows` rows, largest class first; if classes are left out, the last row counts them.

    Args:
        shares: float64 [T], of the image; classes with 0 have no row.
        values: T texts.
        class_names: T names.
        colours: uint8 [T, 3].
        max_rows: at least 1.
    """
    present = [int(t) for t in np.argsort(-shares, kind="stable") if shares[t] > 0]
    listed = present if len(present) <= max_rows else present[: max_rows - 1]
    rows = [LegendRow(tuple(map(int, colours[t])), class_names[t], values[t]) for t in listed]
    hidden = len(present) - len(listed)
    return [*rows, LegendRow(None, f"+{hidden} more", "")] if hidden else rows


def absent_rows(absent: Sequence[str], max_rows: int) -> list[LegendRow]:
    """Rows of the classes that were asked for and are nowhere; one that counts them if they are too many."""
    if len(absent) <= max_rows:
        return [LegendRow(None, name, "not found") for name in absent]
    return [LegendRow(None, f"{len(absent)} other classes", "not found")] if max_rows > 0 else []


def percent(share: float) -> str:
    """A share of the image in percent: "12.3", "<0.1"."""
    return "<0.1" if 0 < share < 0.1 else f"{share:.1f}"


def with_legend(image: Image.Image, rows: Sequence[LegendRow], em: int, title: str = "") -> Image.Image:
    """The image with its legend below it, or beside it if it is taller than wide, and a margin."""
    below = image.width >= image.height
    legend = draw_legend(rows, em, **({"width": image.width} if below else {"height": image.height}))
    if title:
        legend = concatenate([text_line(title, em, GREY), legend], 0, vertical=True)
    return ImageOps.expand(concatenate([image, legend], em, vertical=below), em, WHITE)


def draw_legend(rows: Sequence[LegendRow], em: int, width: int = 0, height: int = 0) -> Image.Image:
    """Rows in as many columns as fit into `width` or are needed for `height`; in one where both are 0."""
    names = [text_line(row.name, em, BLACK if row.colour else GREY) for row in rows]
    values = [text_line(row.value, em, BLACK) for row in rows]
    swatch_width = round(1.6 * em)
    text_width = max(name.width for name in names) + em + max(value.width for value in values)
    cell_width = swatch_width + text_width + 2 * em  # 2 em between columns

    columns = math.ceil(len(rows) * line_height(em) / height) if height else width // cell_width
    columns = min(max(columns, 1), len(rows))
    rows_per_column = math.ceil(len(rows) / columns)
    legend = Image.new("RGB", (columns * cell_width, rows_per_column * line_height(em)), WHITE)
    draw = ImageDraw.Draw(legend)
    for i, (row, name, value) in enumerate(zip(rows, names, values, strict=True)):
        x, y = i // rows_per_column * cell_width, i % rows_per_column * line_height(em)
        if row.colour:
            top = y + (line_height(em) - em) // 2
            # A white swatch is visible only by its outline.
            outline = GREY if row.colour == WHITE else None
            draw.rounded_rectangle((x, top, x + em, top + em), em // 5, row.colour, outline)
        legend.paste(name, (x + swatch_width, y))
        legend.paste(value, (x + swatch_width + text_width - value.width, y))
    return legend


def line_height(em: int) -> int:
    """Height of a row in pixels."""
    return round(1.5 * em)


def concatenate(images: Sequence[Image.Image], gap: int, vertical: bool) -> Image.Image:
    """Images below each other, or side by side, on white."""
    widths, heights = [image.width for image in images], [image.height for image in images]
    gaps = gap * (len(images) - 1)
    size = (max(widths), sum(heights) + gaps) if vertical else (sum(widths) + gaps, max(heights))
    sheet, offset = Image.new("RGB", size, WHITE), 0
    for image in images:
        sheet.paste(image, (0, offset) if vertical else (offset, 0))
        offset += (image.height if vertical else image.width) + gap
    return sheet


def text_line(text: str, em: int, colour: tuple[int, int, int]) -> Image.Image:
    """One line of text, as tall as a legend row, cut with an ellipsis if it is too long."""
    font, max_width = _font(em), _MAX_TEXT_WIDTH * em
    text = " ".join(text.split())[: 4 * _MAX_TEXT_WIDTH]
    if font.getlength(text) > max_width:
        while text and font.getlength(text + "…") > max_width:
            text = text[:-1]
        text = text.rstrip() + "…"
    line = Image.new("RGB", (math.ceil(font.getlength(text)), line_height(em)), WHITE)
    ImageDraw.Draw(line).text((0, line.height / 2), text, colour, font, anchor="lm")
    return line


def font_size(size: int) -> int:
    """Font size in pixels that is legible when `size` pixels are fitted to a screen."""
    return max(14, round(size / 60))


@functools.cache
def _font(em: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in _FONTS:
        with contextlib.suppress(OSError):
            return ImageFont.truetype(name, em)
    return ImageFont.load_default(em)
