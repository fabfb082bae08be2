"""The report of one evaluation as JSON, CSV and Markdown, and its pixel counts as NPZ."""

import csv
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hclip_jax.errors import UserError, one_line
from hclip_jax.evaluation.bootstrap import miou_interval
from hclip_jax.evaluation.confusion_matrix import ClassMetrics, ConfusionMatrix
from hclip_jax.evaluation.image_counts import ImageCounts, write_counts
from hclip_jax.io.files import write_atomically
from hclip_jax.io.json_file import format_json, read_json
from hclip_jax.io.tables import markdown_table

_COLUMNS = tuple(ClassMetrics.__annotations__)
_TEXT_COLUMNS = ("name", "mistaken_for")
MAX_CONFUSIONS = 1000
"""Confusions in a report: all those of 32 classes."""
_MARKDOWN_COLUMNS = tuple(column for column in _COLUMNS if column != "IoU_all")


def write_report(
    directory: Path,
    name: str,
    confusion: ConfusionMatrix,
    counts: ImageCounts,
    details: Mapping[str, object],
    same_names: Sequence[Sequence[str]] = (),
) -> dict[str, Any]:
    """Writes NAME.npz, NAME.json, NAME.csv and NAME.md, each file atomically.

    Args:
        directory: output directory; created if it is missing.
        name: name of the evaluation set, which names the files.
        confusion: counts of the evaluation.
        counts: the same, image by image.
        details: conditions of the evaluation (step, protocol, number of images, ...); finite JSON values.
        same_names: groups of class names that the text tower reads as the same words.

    Returns:
        The content of the JSON file: `summary` (of the confusion matrix, null if no pixel was counted),
        `mIoU_interval` ([low, high], 95 % over images; null if there are too few), `num_classes`,
        `num_present_classes` (that occur in the ground truth), `same_names`, `per_class` (a list of
        ClassMetrics), `confusions` (see `largest_confusions`) and `details`.

    Raises:
        UserError: a file cannot be written.
    """
    interval = miou_interval(counts)
    report: dict[str, Any] = {
        "summary": confusion.summary(),
        "mIoU_interval": list(interval) if interval else None,
        "num_classes": len(confusion.class_names),
        "num_present_classes": confusion.num_present(),
        "same_names": [list(group) for group in same_names],
        "per_class": confusion.per_class(),
        "confusions": [list(row) for row in confusion.largest_confusions(MAX_CONFUSIONS)],
        "details": details,
    }
    contents = {
        "json": format_json(report),
        "csv": _csv(report["per_class"]),
        "md": _markdown(name, report, counts.num_images),
    }
    write_counts(directory / f"{name}.npz", counts)
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


def _markdown(name: str, report: Mapping[str, Any], num_images: int) -> str:
    summary = report["summary"]
    metrics = markdown_table(list(summary), [list(map(_cell, summary.values()))], "right")
    header = [column.replace("_", " ") for column in _MARKDOWN_COLUMNS]
    align = ["left" if column in _TEXT_COLUMNS else "right" for column in _MARKDOWN_COLUMNS]
    rows = [[_cell(row[column]) for column in _MARKDOWN_COLUMNS] for row in report["per_class"]]
    per_class = markdown_table(header, rows, align)
    return f"# {name}\n\n{metrics}\n{_notes(report, num_images)}\n{per_class}"


def _notes(report: Mapping[str, Any], num_images: int) -> str:
    """The sentences between the tables."""
    notes = ["Percent; – where a class has no ground truth, which excludes it from the means."]
    if report["mIoU_interval"]:
        low, high = report["mIoU_interval"]
        notes += [f"95 % interval of mIoU over the {num_images:,} images: {low:.2f} to {high:.2f}."]
    notes += [
        f"{report['num_present_classes']:,} of {report['num_classes']:,} classes occur in the ground truth. "
        "mIoU_all also averages over the others that are predicted, as 0 (detectron2 before July 2022)."
    ]
    if report["same_names"]:
        groups = "\n".join(f"- {' = '.join(map(one_line, group))}" for group in report["same_names"])
        notes += [f"CLIP reads these names as the same words, so only the first gets pixels:\n\n{groups}"]
    return "\n\n".join(notes) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
