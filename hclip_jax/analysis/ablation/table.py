"""What came of the trainings of an ablation."""

import json
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from hclip_jax.analysis.ablation.plan import Run
from hclip_jax.evaluation.confusion_matrix import OPEN_METRICS
from hclip_jax.models.hclip import Model
from hclip_jax.training.report import parameter_counts


class Spread(NamedTuple):
    """Mean and standard deviation over the seeds; of one seed the deviation is 0."""

    mean: float
    deviation: float


class Row(NamedTuple):
    """A method."""

    method: str
    parameters: int  # that train, without the head
    seeds: int
    figures: dict[str, Spread]  # "SET FIGURE" -> percent


def finished(run: Run) -> dict[str, dict[str, float]] | None:
    """The last evaluation of a training, {set: {figure: percent}}; None if it has not ended."""
    try:
        lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    except OSError:
        return None
    last = [
        line for line in lines if "evaluation" in line and line["step"] == run.config.train.num_train_steps
    ]
    return last[-1]["evaluation"] if last else None


def make_table(runs: Sequence[Run]) -> list[Row]:
    """A row for each method of which at least one training has ended."""
    rows = []
    for method in dict.fromkeys(run.method for run in runs):
        own = [run for run in runs if run.method == method]
        ended = [figures for run in own if (figures := finished(run))]
        if ended:
            names = [(s, figure) for s, figures in ended[0].items() for figure in figures]
            spreads = {f"{s} {figure}": _spread([e[s][figure] for e in ended]) for s, figure in names}
            rows.append(Row(method, trained_beside_head(own[0]), len(ended), spreads))
    return rows


def trained_beside_head(run: Run) -> int:
    """Parameters that train, but for the head's, which are the same whatever the method."""
    return sum(
        trains
        for part, trains, _ in parameter_counts(Model(run.config.architecture), run.config.train.trainable)
        if part != "segmentation head"
    )


def telling_figures(rows: Sequence[Row]) -> list[str]:
    """The figures worth a column: of a set with unseen classes the three of those, of another its mIoU."""
    names = list(rows[0].figures) if rows else []
    split = {name.split()[0] for name in names if name.split()[1] in OPEN_METRICS}
    return [
        name for name in names if name.split()[1] in (OPEN_METRICS if name.split()[0] in split else ("mIoU",))
    ]


def to_json(rows: Sequence[Row]) -> str:
    """The table for programs."""
    plain: list[dict[str, Any]] = [
        {**row._asdict(), "figures": {name: s._asdict() for name, s in row.figures.items()}} for row in rows
    ]
    return json.dumps(plain, indent=2) + "\n"


def to_markdown(rows: Sequence[Row]) -> str:
    """The table to read: percent, mean ± standard deviation over the seeds."""
    figures = telling_figures(rows)
    lines = [["method", "parameters", "seeds", *figures], ["---", *["--:"] * (2 + len(figures))]]
    for row in rows:
        cells = [f"{row.figures[f].mean:.1f} ± {row.figures[f].deviation:.1f}" for f in figures]
        lines.append([row.method, f"{row.parameters:,}", str(row.seeds), *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0)
