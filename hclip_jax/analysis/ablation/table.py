"""Results of the trainings of an ablation."""

import json
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from hclip_jax.analysis.ablation.plan import Run
from hclip_jax.evaluation.confusion_matrix import OPEN_METRICS
from hclip_jax.io.tables import markdown_table
from hclip_jax.models.hclip import Model
from hclip_jax.training.report import parameter_counts


class MeanStd(NamedTuple):
    """Mean and standard deviation over the seeds; the deviation of one seed is 0."""

    mean: float
    std: float


class Row(NamedTuple):
    """Results of one method."""

    method: str
    parameters: int  # trainable parameters outside the head
    seeds: int  # number of finished trainings
    metrics: dict[str, MeanStd]  # "SET METRIC" -> percent


def make_table(runs: Sequence[Run]) -> list[Row]:
    """One row for each method with at least one finished training."""
    rows = []
    for method in dict.fromkeys(run.method for run in runs):
        method_runs = [run for run in runs if run.method == method]
        finished = [metrics for run in method_runs if (metrics := run.final_metrics())]
        if finished:
            columns = [
                (name, metric)
                for name, summary in finished[0].items()
                for metric in summary
                if all(metric in summaries.get(name, {}) for summaries in finished)  # older ones have fewer
            ]
            metrics = {
                f"{name} {metric}": _mean_std([summaries[name][metric] for summaries in finished])
                for name, metric in columns
            }
            rows.append(Row(method, trainable_without_head(method_runs[0]), len(finished), metrics))
    return rows


def trainable_without_head(run: Run) -> int:
    """Number of trainable parameters outside the head, which is the same for every method."""
    shapes = jax.eval_shape(Model(run.config.architecture).init, jax.random.key(0))
    return sum(
        trainable
        for part, trainable, _ in parameter_counts(shapes, run.config.train.trainable)
        if part != "segmentation head"
    )


def table_metrics(rows: Sequence[Row]) -> list[str]:
    """The metrics with a column in the table: OPEN_METRICS of a set that has them, mIoU of another set."""
    names = list(rows[0].metrics) if rows else []
    open_sets = {name.split()[0] for name in names if name.split()[1] in OPEN_METRICS}
    return [
        name
        for name in names
        if name.split()[1] in (OPEN_METRICS if name.split()[0] in open_sets else ("mIoU",))
    ]


def to_json(rows: Sequence[Row]) -> str:
    """The table with all metrics as JSON."""
    tree: list[dict[str, Any]] = [
        {**row._asdict(), "metrics": {name: value._asdict() for name, value in row.metrics.items()}}
        for row in rows
    ]
    return json.dumps(tree, indent=2) + "\n"


def to_markdown(rows: Sequence[Row]) -> str:
    """The table in Markdown: percent, mean ± standard deviation over the seeds."""
    metrics = table_metrics(rows)
    cells = [
        [row.method, f"{row.parameters:,}", str(row.seeds), *(_cell(row.metrics[name]) for name in metrics)]
        for row in rows
    ]
    header = ["method", "parameters", "seeds", *metrics]
    return markdown_table(header, cells, ["left", *["right"] * (len(header) - 1)])


def _cell(value: MeanStd) -> str:
    return f"{value.mean:.1f} ± {value.std:.1f}"


def _mean_std(values: Sequence[float]) -> MeanStd:
    return MeanStd(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0)
