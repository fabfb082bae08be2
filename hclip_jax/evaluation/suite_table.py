"""The table of a suite: measured and published figures, set by set, as JSON, Markdown and CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hclip_jax.datasets.published import published_rows
from hclip_jax.evaluation.comparison import NOTE, Comparison
from hclip_jax.evaluation.suite import Suite
from hclip_jax.evaluation.suite_rows import Row
from hclip_jax.io.files import write_atomically
from hclip_jax.io.json_file import format_json
from hclip_jax.io.tables import markdown_table

NONE = "–"


class Table(NamedTuple):
    """The table of a model on a suite.

    Attributes:
        suite: the suite.
        model: origin, fingerprint, backbone, dtype and protocol of the model.
        rows: one row a set.
        against: origin of the other model; "" for none.
        comparisons: the comparison with the other model by set.
        remarks: sentences on sets that cannot be compared.
    """

    suite: Suite
    model: Mapping[str, str]
    rows: Sequence[Row]
    against: str = ""
    comparisons: Mapping[str, Comparison] = {}
    remarks: Sequence[str] = ()


def domain_means(suite: Suite, rows: Sequence[Row]) -> dict[str, tuple[float | None, str]]:
    """For each domain: the mean figure of its sets, None unless all are there, and how many there are."""
    means: dict[str, tuple[float | None, str]] = {}
    for domain in dict.fromkeys(row.domain for row in rows if row.domain):
        values = [_figure(row, suite) for row in rows if row.domain == domain]
        known = [value for value in values if value is not None]
        mean = float(np.mean(known)) if len(known) == len(values) else None
        means[domain] = mean, f"{len(known)} of {len(values)} sets"
    return means


def markdown(table: Table) -> str:
    """Formats a table with its title and notes."""
    model = table.model
    lines = [
        f"# Suite {table.suite.name}" + (f": {table.suite.title}" if table.suite.title else ""),
        f"Model {model['source']}; fingerprint {model['fingerprint'][:16]}; "
        f"backbone {model['backbone'] or 'without published figures'}; {model['dtype']}; "
        f"hclip_jax {model['version']}",
        _markdown_rows(table),
        *_notes(table),
    ]
    return "\n\n".join(line.rstrip("\n") for line in lines) + "\n"


def write_table(folder: Path, table: Table) -> None:
    """Writes table.json, table.md and table.csv, each file atomically.

    Raises:
        UserError: a file cannot be written.
    """
    tree = {
        "suite": {"name": table.suite.name, "title": table.suite.title, "metric": table.suite.metric},
        "model": dict(table.model),
        "rows": [asdict(row) for row in table.rows],
        "domains": {
            name: {"mean": mean, "sets": sets}
            for name, (mean, sets) in domain_means(table.suite, table.rows).items()
        },
        "against": table.against,
        "comparisons": {name: row._asdict() for name, row in table.comparisons.items()},
        "remarks": list(table.remarks),
    }
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_csv_rows(table))
    write_atomically(folder / "table.json", format_json(tree))
    write_atomically(folder / "table.csv", text.getvalue())
    write_atomically(folder / "table.md", markdown(table))


def _figure(row: Row, suite: Suite) -> float | None:
    return row.mIoU if suite.metric == "mIoU" else row.mIoU_all


def _markdown_rows(table: Table) -> str:
    backbone = table.model["backbone"]
    methods = _compared_methods(table)
    has_interest = any(entry.classes_of_interest for entry in table.suite.sets)
    header = ["set", "classes", "images", "mIoU", "95 % interval", "mIoU_all"]
    header += ["of interest"] if has_interest else []
    for method in methods:
        header += [f"{method} {backbone}".strip(), "difference"]
    header += ["against", "difference", "95 % interval", "p"] if table.against else []
    header += ["protocol", "seconds"]
    cells = [_cells(row, table, has_interest) for row in table.rows]
    for domain, (mean, sets) in domain_means(table.suite, table.rows).items():
        line = [NONE] * len(header)
        line[header.index(table.suite.metric)] = _number(mean)
        cells.append([f"mean of {domain}", NONE, sets, *line[3:]])
    return markdown_table(header, cells, ["left", *["right"] * (len(header) - 3), "left", "right"])


def _compared_methods(table: Table) -> list[str]:
    """Methods with a published figure of the backbone."""
    return [name for name in table.suite.compare if any(name in row.published for row in table.rows)]


def _cells(row: Row, table: Table, has_interest: bool) -> list[str]:
    occur = NONE
    if row.num_classes is not None:
        occur = f"{row.num_present_classes:,} of {row.num_classes:,}"
    interval = f"{row.mIoU_interval[0]:.2f} to {row.mIoU_interval[1]:.2f}" if row.mIoU_interval else NONE
    cells = [row.title, occur, row.images or NONE, _number(row.mIoU), interval, _number(row.mIoU_all)]
    cells += [_number(row.of_interest)] if has_interest else []
    for method in _compared_methods(table):
        cells += [_number(row.published.get(method), 1), _signed(row.difference.get(method))]
    if table.against:
        cells += _comparison_cells(table.comparisons.get(row.name))
    return [*cells, row.protocol or NONE, NONE if row.seconds is None else f"{row.seconds:,.0f}"]


def _comparison_cells(row: Comparison | None) -> list[str]:
    if row is None:
        return [NONE] * 4
    p = "< 0.002" if row.p < 0.002 else f"{row.p:.3f}"
    return [_number(row.b), _signed(row.difference), f"{_signed(row.low)} to {_signed(row.high)}", p]


def _notes(table: Table) -> list[str]:
    notes = [f"- {row.title}: {row.reason}" for row in table.rows if row.reason]
    notes = ["\n".join(notes)] if notes else []
    text = "Percent; the interval is over the images of the set, by bootstrap."
    if _compared_methods(table):
        text += (
            f" Published figures are compared with {table.suite.metric}, of the same backbone and of "
            "complete sets alone."
        )
    sources = [
        f"{row.name}: {row.source}"
        for row in published_rows()
        if row.method in _compared_methods(table)
        and row.backbone == table.model["backbone"]
        and row.formula != "before July 2022"
    ]
    notes += [" ".join([text, *(f"{source}." for source in sources)])]
    if table.suite.metric == "mIoU":
        notes += [
            "mIoU_all also averages over classes that are predicted and do not occur, as 0 (detectron2 "
            "before July 2022)."
        ]
    if table.against:
        notes += [f"Against {table.against}. {NOTE}", *table.remarks]
    return notes


def _csv_rows(table: Table) -> Iterable[list[Any]]:
    methods = table.suite.compare
    fields = ("name", "title", "domain", "images", "num_classes", "num_present_classes", "mIoU")
    tail = ("mIoU_all", "of_interest", "protocol", "seconds", "reason")
    figures = [f"{kind} {method}" for method in methods for kind in ("published", "difference")]
    compared = ["against", "against_difference", "against_low", "against_high", "against_p"]
    yield [*fields, "mIoU_low", "mIoU_high", *figures, *tail, *(compared if table.against else [])]
    for row in table.rows:
        values = [v.get(method) for method in methods for v in (row.published, row.difference)]
        against = table.comparisons.get(row.name)
        other = against and [against.b, against.difference, against.low, against.high, against.p]
        yield [
            *(getattr(row, name) for name in fields),
            *(row.mIoU_interval or (None, None)),
            *values,
            *(getattr(row, name) for name in tail),
            *((other or [None] * 5) if table.against else []),
        ]


def _number(value: float | None, digits: int = 2) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _signed(value: float | None) -> str:
    return NONE if value is None else f"{value:+.2f}"
