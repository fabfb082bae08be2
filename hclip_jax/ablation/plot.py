"""An ablation as a picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no window: it also runs where there is no screen
from matplotlib import pyplot as plt

from hclip_jax.ablation.table import Row, telling_figures
from hclip_jax.files import replacing


def plot(path: Path, rows: Sequence[Row]) -> None:
    """Parameters against mIoU of unseen classes, a point a method with its spread over the seeds, as PNG."""
    figures = telling_figures(rows)
    figure = next((name for name in figures if name.endswith("mIoU_unseen")), figures[0])
    canvas, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for row in rows:
        spread = row.figures[figure]
        place = (max(row.parameters, 1), spread.mean)
        axes.errorbar(*place, yerr=spread.deviation, fmt="o", capsize=3)
        axes.annotate(row.method, place, xytext=(6, 4), textcoords="offset points", fontsize=8)
    axes.set_xscale("symlog", linthresh=1000)
    axes.set_xlabel("parameters that train beside the head")
    axes.set_ylabel(f"{figure}, %")
    axes.grid(alpha=0.3)
    with replacing(path) as temporary:
        canvas.savefig(temporary, format="png", dpi=150)
    plt.close(canvas)
