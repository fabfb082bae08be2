"""Markdown tables."""

from collections.abc import Sequence

from rich.cells import cell_len


def markdown_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], align: str | Sequence[str] = "left"
) -> str:
    """Formats a Markdown table whose columns also line up as plain text.

    Whitespace within a cell, line breaks included, becomes one space. Pipes are escaped. The width of a cell
    is its width on a terminal: East Asian characters take two columns, combining accents none.

    Args:
        header: column names.
        rows: one string a column for each row.
        align: "left" or "right", for all columns or one a column.

    Returns:
        Lines joined by newlines, with a newline at the end.

    Raises:
        ValueError: a row or `align` has another length than the header, or `align` has another value.
    """
    aligns = [align] * len(header) if isinstance(align, str) else list(align)
    if not set(aligns) <= {"left", "right"}:
        raise ValueError(f"align is {align!r}; allowed are left and right")
    table = [[_cell(text) for text in row] for row in (header, *rows)]
    if {len(row) for row in (*table, aligns)} != {len(header)}:
        raise ValueError(f"the header has {len(header)} columns; every row and align must have as many")
    widths = [max(3, *map(cell_len, column)) for column in zip(*table, strict=True)]
    rule = [
        ":" + "-" * (width - 1) if column_align == "left" else "-" * (width - 1) + ":"
        for width, column_align in zip(widths, aligns, strict=True)
    ]
    lines = [table[0], rule, *table[1:]]
    return "".join(
        f"| {' | '.join(map(_pad, line, widths, aligns))} |\n"  # lengths are checked above
        for line in lines
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _pad(text: str, width: int, align: str) -> str:
    space = " " * (width - cell_len(text))
    return text + space if align == "left" else space + text
