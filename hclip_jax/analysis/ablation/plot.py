"""An ablation as a picture."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no window: it also runs where there is no screen
from matplotlib import pyplot as plt

from hclip_jax.analysis.ablation.table import Row, telling_figures
from hclip_jax.io.files import replace_atomically

_ASIDE = 1.12  # factor between methods that would lie on each other
_MARKERS = "osD^vP*X"


def plot(path: Path, rows: Sequence[Row]) -> None:
    """Parameters against mIoU of unseen classes, a point a method with its spread over the seeds, as PNG.

    Methods of nearly the same size are drawn side by side; the legend is in the order of the figure.
    """
    figures = telling_figures(rows)
    figure = next((name for name in figures if name.endswith("mIoU_unseen")), figures[0])
    places = _places([row.parameters for row in rows])
    looks = list(itertools.islice(itertools.product(_MARKERS, range(10)), len(rows)))
    canvas, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for i in sorted(range(len(rows)), key=lambda i: -rows[i].figures[figure].mean):
        spread, (marker, colour) = rows[i].figures[figure], looks[i]
        label = f"{spread.mean:.1f}  {rows[i].method}"
        y, dy = spread.mean, spread.deviation
        axes.errorbar(places[i], y, yerr=dy, marker=marker, color=f"C{colour}", ls="", capsize=3, label=label)
    axes.set_xscale("symlog", linthresh=100, linscale=0.5)
    axes.set_xlabel("parameters that train beside the head")
    axes.set_ylabel(f"{figure}, %")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)
    with replace_atomically(path) as temporary:
        canvas.savefig(temporary, format="png", dpi=150)
    plt.close(canvas)


def _places(parameters: Sequence[int]) -> list[float]:
    """Where to draw so many parameters: apart from others within a factor of two."""
    places = [float(p) for p in parameters]
    for p in set(parameters) - {0}:
        near = [i for i, q in enumerate(parameters) if p <= q < 2 * p and places[i] == q]
        for k, i in enumerate(near):
            places[i] *= _ASIDE ** (k - (len(near) - 1) / 2)
    return places
