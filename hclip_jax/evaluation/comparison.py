"""Compares the stored evaluations of two models, set by set: a table with intervals and p-values."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hclip_jax.errors import UserError
from hclip_jax.evaluation.bootstrap import RESAMPLES, miou, paired_difference
from hclip_jax.evaluation.image_counts import ImageCounts
from hclip_jax.evaluation.stored import read_evaluations
from hclip_jax.io.files import write_atomically
from hclip_jax.io.json_file import format_json
from hclip_jax.io.tables import markdown_table


class Comparison(NamedTuple):
    """Two models on one set; mIoU in percent.

    Attributes:
        name: name of the set.
        a: mIoU of the first model.
        b: mIoU of the second.
        difference: a - b.
        low: lower end of the 95 % interval of the difference.
        high: its upper end.
        p: two-sided p-value, see `bootstrap.paired_difference`.
        images: number of images.
    """

    name: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    images: int


def compare(name: str, a: ImageCounts, b: ImageCounts) -> Comparison:
    """Compares two models on a set.

    Args:
        name: name of the set, for the table and for messages.
        a: the evaluation of one model.
        b: the evaluation of the other.

    Raises:
        UserError: as `paired_difference`, with the name of the set.
    """
    try:
        result = paired_difference(a, b)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    return Comparison(name, miou(a) or 0.0, miou(b) or 0.0, *result, a.num_images)


def compare_folders(a: Path, b: Path, names: Sequence[str]) -> tuple[list[Comparison], list[str]]:
    """Compares the stored evaluations of two models on all sets that both have.

    Args:
        a: the folder with the reports of the first model.
        b: the folder with those of the second.
        names: the sets.

    Returns:
        One row a set, in the order of `names`, and sentences on sets that cannot be compared, or that were
        evaluated by two protocols or after two numbers of steps.

    Raises:
        UserError: a folder has no evaluation, a file is damaged, or no set can be compared (the reason for
            the first).
    """
    of_a, of_b = read_evaluations(a, names), read_evaluations(b, names)
    rows, remarks = [], []
    for name in names:
        if missing := [str(f) for f, found in ((a, of_a), (b, of_b)) if name not in found]:
            remarks.append(f"{name}: {' and '.join(missing)} has no evaluation of this set")
            continue
        one, other = of_a[name], of_b[name]
        try:
            one.check()
            other.check()
            rows.append(compare(name, one.counts, other.counts))
        except UserError as error:
            remarks.append(str(error))
            continue
        if one.protocol != other.protocol:
            remarks.append(
                f"{name}: the protocols differ (A {one.protocol}, B {other.protocol}), so the difference is "
                f"not that of the models alone"
            )
        if one.step != other.step:
            remarks.append(f"{name}: A is the checkpoint of step {one.step}, B that of step {other.step}")
    if not rows:
        raise UserError(remarks[0])
    return rows, remarks


def comparison_table(rows: Sequence[Comparison], a: str = "A", b: str = "B") -> str:
    """Formats rows as a Markdown table, which also lines up on a terminal.

    Args:
        rows: the comparisons.
        a: column name of the first model.
        b: column name of the second.
    """
    cells = [
        [
            row.name,
            f"{row.a:.2f}",
            f"{row.b:.2f}",
            f"{row.difference:+.2f}",
            f"{row.low:+.2f} to {row.high:+.2f}",
            "< 0.002" if row.p < 0.002 else f"{row.p:.3f}",
            f"{row.images:,}",
        ]
        for row in rows
    ]
    header = ["set", a, b, "difference", "95 % interval", "p", "images"]
    return markdown_table(header, cells, ["left", *["right"] * 6])


NOTE = (
    f"mIoU in percent. Interval and p: bootstrap over images, {RESAMPLES:,} resamples, both models on the "
    f"same images. They account for the choice of images, not for the randomness of a training."
)


def write_comparison(
    path: Path, rows: Sequence[Comparison], remarks: Sequence[str], a: Path, b: Path
) -> None:
    """Writes PATH.json, PATH.csv and PATH.md, each file atomically.

    Args:
        path: the files without their suffixes.
        rows: the comparisons.
        remarks: sentences on sets that cannot be compared.
        a: the work directory of the first model.
        b: the work directory of the second.

    Raises:
        UserError: a file cannot be written.
    """
    tree = {"a": str(a), "b": str(b), "rows": [row._asdict() for row in rows], "remarks": list(remarks)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([Comparison._fields, *rows])
    notes = "\n".join((NOTE, *remarks))
    contents = {
        "json": format_json(tree),
        "csv": text.getvalue(),
        "md": f"# {a} (A) against {b} (B)\n\n{comparison_table(rows)}\n{notes}\n",
    }
    for suffix, content in contents.items():
        write_atomically(path.with_name(f"{path.name}.{suffix}"), content)
