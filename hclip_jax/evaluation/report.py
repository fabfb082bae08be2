"""The report of one evaluation: JSON for programs, CSV for spreadsheets, Markdown to read."""

import csv
import io
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from hclip_jax.evaluation.confusion_matrix import ClassMetrics, ConfusionMatrix
from hclip_jax.io.files import write_atomically

_COLUMNS = tuple(ClassMetrics.__annotations__)


def write_report(
    directory: Path, name: str, confusion: ConfusionMatrix, details: dict[str, object]
) -> dict[str, object]:
    """Writes `<name>.json`, `<name>.csv` and `<name>.md`, each whole or not at all.

    Args:
        directory: where to; made if missing.
        name: the data set, which names the files.
        confusion: the counts.
        details: how the figures were made (step, protocol, pictures, ...); finite JSON values.

    Returns:
        What the JSON file holds: `summary` (of the confusion matrix, null if nothing was
        counted), `per_class` (a list of ClassMetrics) and `details`.

    Raises:
        UserError: a file cannot be written.
    """
    classes = confusion.per_class()
    report: dict[str, object] = {
        "summary": confusion.summary(),
        "per_class": classes,
        "details": details,
    }
    texts = {
        "json": json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "csv": _csv(classes),
        "md": _markdown(name, confusion.summary(), classes),
    }
    for kind, text in texts.items():
        write_atomically(directory / f"{name}.{kind}", text)
    return report


def _csv(classes: Sequence[ClassMetrics]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(classes)
    return text.getvalue()


def _markdown(name: str, summary: dict[str, float | None], classes: Sequence[ClassMetrics]) -> str:
    figures = [[_cell(figure) for figure in summary.values()]]
    rows = [[_cell(figure) for figure in row.values()] for row in classes]
    header = [column.replace("_", " ") for column in _COLUMNS]
    return (
        f"# {name}\n\n{_table(list(summary), figures)}\n"
        f"Percent; – where the ground truth never shows the class, which the means leave out.\n\n"
        f"{_table(header, rows)}"
    )


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}"
    return " ".join(str(value).split()).replace("|", r"\|")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up as plain text; numbers to the right."""
    table = [header, *rows]
    widths = [max(3, *(_width(line[i]) for line in table)) for i in range(len(header))]
    left = [name in ("name", "mistaken for") for name in header]
    rule = [
        ":" + "-" * (w - 1) if is_left else "-" * (w - 1) + ":"
        for w, is_left in zip(widths, left, strict=True)
    ]

    def line(cells: Sequence[str]) -> str:
        padded = []
        for cell, width, is_left in zip(cells, widths, left, strict=True):
            space = " " * (width - _width(cell))
            padded.append(cell + space if is_left else space + cell)
        return f"| {' | '.join(padded)} |\n"

    return "".join(map(line, [header, rule, *rows]))


def _width(text: str) -> int:
    """Columns of a terminal that the text takes: East Asian letters take two, accents none."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )
