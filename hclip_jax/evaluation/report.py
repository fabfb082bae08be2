"""The report of one evaluation as JSON, CSV and Markdown."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hclip_jax.errors import UserError
from hclip_jax.evaluation.confusion_matrix import ClassMetrics, ConfusionMatrix
from hclip_jax.io.files import write_atomically
from hclip_jax.io.json_file import read_json
from hclip_jax.io.tables import markdown_table

_COLUMNS = tuple(ClassMetrics.__annotations__)
_TEXT_COLUMNS = ("name", "mistaken_for")


def write_report(
    directory: Path, name: str, confusion: ConfusionMatrix, details: Mapping[str, object]
) -> dict[str, Any]:
    """Writes NAME.json, NAME.csv and NAME.md, each file atomically.

    Args:
        directory: output directory; created if it is missing.
        name: name of the evaluation set, which names the files.
        confusion: counts of the evaluation.
        details: conditions of the evaluation (step, protocol, number of images, ...); finite JSON values.

    Returns:
        The content of the JSON file: `summary` (of the confusion matrix, null if no pixel was counted),
        `per_class` (a list of ClassMetrics) and `details`.

    Raises:
        UserError: a file cannot be written.
    """
    summary, classes = confusion.summary(), confusion.per_class()
    report: dict[str, Any] = {"summary": summary, "per_class": classes, "details": details}
    contents = {
        "json": json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "csv": _csv(classes),
        "md": _markdown(name, summary, classes),
    }
    for suffix, content in contents.items():
        write_atomically(directory / f"{name}.{suffix}", content)
    return report


def read_summaries(directory: Path, step: int) -> dict[str, dict[str, float]]:
    """Figures of the reports on the checkpoint of one step.

    Files that are no such report are left out.

    Args:
        directory: output directory of `write_report`.
        step: the details of the reports must have this `step`.

    Returns:
        Name of the evaluation set -> the numbers of `summary` and `details`.
    """
    summaries = {}
    for path in sorted(directory.glob("*.json")):
        with suppress(UserError):
            match read_json(path, ""):
                case {"summary": dict(summary), "details": {"step": int(found), **details}} if found == step:
                    numbers = {**details, **summary}.items()
                    summaries[path.stem] = {str(k): v for k, v in numbers if type(v) in (int, float)}
    return summaries


def _csv(classes: Sequence[ClassMetrics]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(classes)
    return text.getvalue()


def _markdown(name: str, summary: dict[str, float | None], classes: Sequence[ClassMetrics]) -> str:
    metrics = markdown_table(list(summary), [list(map(_cell, summary.values()))], "right")
    header = [column.replace("_", " ") for column in _COLUMNS]
    align = ["left" if column in _TEXT_COLUMNS else "right" for column in _COLUMNS]
    per_class = markdown_table(header, [list(map(_cell, row.values())) for row in classes], align)
    note = "Percent; – where a class has no ground truth, which excludes it from the means."
    return f"# {name}\n\n{metrics}\n{note}\n\n{per_class}"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
