"""The table of an ablation as a plot."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from hclip_jax.analysis.ablation.table import Row, table_metrics
from hclip_jax.io.files import replace_atomically

# The figure is built without pyplot, which would select a backend for the whole process.

_SPACING = 1.12  # factor between the x positions of methods of nearly the same size
_MARKERS = "osD^vP*X"
_NUM_COLOURS = 10  # of matplotlib's default cycle


def plot(path: Path, rows: Sequence[Row]) -> None:
    """Plots mIoU of unseen classes against parameters as PNG, one point a method with its deviation.

    Methods of nearly the same size are drawn side by side. The legend is sorted by the metric.
    """
    metrics = table_metrics(rows)
    metric = next((name for name in metrics if name.endswith("mIoU_unseen")), metrics[0])
    x = _spread_positions([row.parameters for row in rows])
    styles = list(itertools.islice(itertools.product(_MARKERS, range(_NUM_COLOURS)), len(rows)))
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for i in sorted(range(len(rows)), key=lambda i: -rows[i].metrics[metric].mean):
        (mean, std), (marker, colour) = rows[i].metrics[metric], styles[i]
        label = f"{mean:.1f}  {rows[i].method}"
        axes.errorbar(x[i], mean, yerr=std, marker=marker, color=f"C{colour}", ls="", capsize=3, label=label)
    axes.set_xscale("symlog", linthresh=100, linscale=0.5)
    axes.set_xlabel("trainable parameters outside the head")
    axes.set_ylabel(f"{metric}, %")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)
    with replace_atomically(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def _spread_positions(parameters: Sequence[int]) -> list[float]:
    """The x position of each method; methods within a factor of two are moved apart."""
    positions = [float(p) for p in parameters]
    for p in set(parameters) - {0}:
        near = [i for i, q in enumerate(parameters) if p <= q < 2 * p and positions[i] == q]
        for k, i in enumerate(near):
            positions[i] *= _SPACING ** (k - (len(near) - 1) / 2)
    return positions
