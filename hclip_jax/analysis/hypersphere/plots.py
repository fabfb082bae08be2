"""The measures as PNG plots."""

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from hclip_jax.analysis.hypersphere.energy import EnergyChange
from hclip_jax.analysis.hypersphere.measure import LETTERS, TowerRotations
from hclip_jax.analysis.hypersphere.relations import Relations
from hclip_jax.io.files import replace_atomically

# Figures are built without pyplot: it would select a backend for the whole process and may need a display.

_ENERGY_ROUNDING = 1e-5  # relative change of an energy by float32 rounding alone
_MAX_LAYERS_WITH_NUMBERS = 16
_MIN_ERROR = 1e-7  # lower end of the colour scale of orthogonality errors
_MAX_ROW_LABELS = 64
_COLOURS = {"q": "#4477aa", "k": "#66ccee", "v": "#228833", "o": "#cc7722"}


def plot_energy(path: Path, energy: dict[str, EnergyChange]) -> None:
    """Plots the relative energy change of every matrix in percent, on one colour scale for both towers."""
    depth = max(len(change.before) for change in energy.values())
    figure = Figure(figsize=(4.2 * len(energy) + 1, 1.6 + 0.36 * depth), layout="constrained")
    panels = figure.subplots(1, len(energy), squeeze=False)
    changes = {tower: 100 * change.relative for tower, change in energy.items()}
    finite = np.concatenate([change[np.isfinite(change)] for change in changes.values()])
    largest = max(float(np.abs(finite).max(initial=0)), 100 * _ENERGY_ROUNDING)
    decimals = max(0, 1 - math.floor(math.log10(largest)))
    images = []
    for axes, (tower, change) in zip(panels[0], changes.items(), strict=True):
        images.append(axes.imshow(change, "RdBu_r", vmin=-largest, vmax=largest, aspect="auto"))
        axes.set_xticks(range(4), list(LETTERS.values()))
        axes.set_yticks(range(len(change)), [str(layer + 1) for layer in range(len(change))])
        axes.set_ylabel("layer")
        axes.set_title(f"{tower} tower: {_signed(100 * energy[tower].tower_relative, max(decimals, 3))} %")
        if len(change) <= _MAX_LAYERS_WITH_NUMBERS:
            for (layer, j), value in np.ndenumerate(change):
                is_bright = bool(abs(value) < 0.6 * largest)
                _write_number(axes, j, layer, _signed(value, decimals), is_bright)
        _draw_grid(axes, change.shape)
    figure.colorbar(images[0], ax=panels, label="change, %", shrink=0.8)
    figure.suptitle("Hyperspherical energy: change by adapting")
    _save(figure, path)


def plot_rotations(path: Path, rotations: dict[str, TowerRotations]) -> None:
    """Plots the rotation angles of every matrix by layer, above the orthogonality errors of its blocks."""
    deepest = max(len(tower.layers) for tower in rotations.values())
    size = ((2 + 0.36 * max(deepest, 8)) * len(rotations) + 1, 5.6)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(2, len(rotations), height_ratios=(3, 1.2), squeeze=False)
    largest = max(tower.orthogonality_error.max() for tower in rotations.values())
    norm, images = LogNorm(_MIN_ERROR, max(largest, 1e-3)), []
    for (above, below), (name, tower) in zip(panels.T, rotations.items(), strict=True):
        kind = "orthogonal blocks" if tower.orthogonal else "free blocks, nearest rotation"
        above.set_title(f"{name} tower: {kind}")
        _plot_angles(above, tower)
        error = tower.orthogonality_error.max(axis=2).T  # [J', L']
        images.append(below.imshow(np.maximum(error, _MIN_ERROR), "viridis_r", norm=norm, aspect="auto"))
        below.set_yticks(range(len(tower.letters)), tower.letters)
        below.set_xlabel("layer")
        for axes in (above, below):
            axes.set_xticks(range(len(tower.layers)), [str(layer) for layer in tower.layers], fontsize=8)
            axes.set_xlim(-0.5, len(tower.layers) - 0.5)
        if len(tower.layers) <= _MAX_LAYERS_WITH_NUMBERS:
            for (j, layer), value in np.ndenumerate(error):
                is_bright = bool(norm(max(value, _MIN_ERROR)) < 0.5)
                _write_number(below, layer, j, _short(value), is_bright, size=5.5)
        _draw_grid(below, error.shape)
    panels[0, 0].set_ylabel("angle, degrees")
    figure.colorbar(
        images[0],
        ax=panels,
        label=r"$\|Q^TQ - I\|_F$",
        aspect=9,
        shrink=0.3,
        anchor=(0, 0.08),
        pad=0.01,
    )
    figure.suptitle("Rotation by the learned blocks")
    _save(figure, path)


def _plot_angles(axes: Axes, tower: TowerRotations) -> None:
    angles = tower.angles  # [L', J', M, b]
    flat = angles.reshape(*angles.shape[:2], -1)
    step = 0.8 / len(tower.letters)
    for j, letter in enumerate(tower.letters):
        x = np.arange(len(flat)) + step * (j - (len(tower.letters) - 1) / 2)
        low, first, median, third, high = np.quantile(flat[:, j], (0, 0.25, 0.5, 0.75, 1), axis=1)
        axes.vlines(x, low, high, _COLOURS[letter], linewidth=1)
        axes.vlines(x, first, third, _COLOURS[letter], linewidth=4, label=letter)
        axes.plot(x, median, "o", color="white", markeredgecolor="black", markersize=3.2, markeredgewidth=0.6)
    axes.set_ylim(0, max(1.25 * angles.max(), 0.01))
    axes.grid(axis="y", alpha=0.3)
    axes.legend(
        ncols=4,
        fontsize=8,
        frameon=False,
        title="all – middle half – ○ median",
        title_fontsize=8,
        loc="upper left",
    )


def plot_relations(path: Path, relations: Relations) -> None:
    """Plots cross-layer and cross-tower weights: between layers, between blocks, and their norms by layer."""
    figure = Figure(figsize=(15, 8.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.35, 1), height_ratios=(1.25, 1))
    _plot_layer_relation(figure, figure.add_subplot(grid[:, 0]), relations)
    _plot_modality_relation(figure, figure.add_subplot(grid[0, 1]), relations)
    _plot_norms(figure.add_subplot(grid[1, 1]), relations)
    figure.suptitle("Relations: cross-layer and cross-tower weights (rows are outputs, columns inputs)")
    _save(figure, path)


def _plot_layer_relation(figure: Figure, axes: Axes, relations: Relations) -> None:
    letters = [LETTERS[target] for target in relations.targets]
    num_targets, num_rows = len(letters), len(relations.layer)
    image = axes.imshow(relations.layer, "magma_r", vmin=0, vmax=relations.layer.max() or 1)
    if num_rows <= _MAX_ROW_LABELS:
        ticks = list(range(num_rows))
        labels = [f"{layer} {letter}" for layer in relations.layers for letter in letters]
    else:
        ticks = [num_targets * i + num_targets // 2 for i in range(len(relations.layers))]
        labels = [str(layer) for layer in relations.layers]
    size = 6 if len(ticks) > 24 else 9
    axes.set_xticks(ticks, labels, rotation=90, fontsize=size)
    axes.set_yticks(ticks, labels, fontsize=size)
    for edge in range(num_targets, num_rows, num_targets):
        axes.axhline(edge - 0.5, color="grey", linewidth=0.4)
        axes.axvline(edge - 0.5, color="grey", linewidth=0.4)
    axes.set_title("|layer relation – I|: layer and matrix")
    figure.colorbar(image, ax=axes, shrink=0.7)


def _plot_modality_relation(figure: Figure, axes: Axes, relations: Relations) -> None:
    mean = relations.modality.mean(axis=0)
    largest = mean.max() or 1
    image = axes.imshow(mean, "magma_r", vmin=0, vmax=largest)
    towers = relations.towers
    numbers = [towers[:i].count(tower) + 1 for i, tower in enumerate(towers)]
    labels = [f"{tower} {number}" for tower, number in zip(towers, numbers, strict=True)]
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=8)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    if "text" in towers and "image" in towers:
        edge = towers.index("image") - 0.5
        axes.axhline(edge, color="teal", linewidth=2)
        axes.axvline(edge, color="teal", linewidth=2)
    if len(mean) <= _MAX_LAYERS_WITH_NUMBERS:
        for (i, m), value in np.ndenumerate(mean):
            _write_number(axes, m, i, _short(value), bool(value < 0.5 * largest), size=6)
    axes.set_title("|modality relation – I|: blocks, mean over layers")
    figure.colorbar(image, ax=axes)


def _plot_norms(axes: Axes, relations: Relations) -> None:
    series = {
        "matrices from other matrices": relations.layer_norms,
        "blocks from other blocks": relations.modality_norms,
    }
    if len(set(relations.towers)) == 2:
        series["text blocks from image blocks"] = relations.cross_tower_norms("text", "image")
        series["image blocks from text blocks"] = relations.cross_tower_norms("image", "text")
    step, x = 0.8 / len(series), np.arange(len(relations.layers))
    for i, (name, heights) in enumerate(series.items()):
        axes.bar(x + step * (i - (len(series) - 1) / 2), heights, step, label=name)
    axes.set_xticks(x, [str(layer) for layer in relations.layers])
    axes.set_xlabel("layer")
    axes.set_ylabel("off-diagonal norm")
    axes.set_ylim(0, max(1.3 * max(heights.max() for heights in series.values()), 1e-6))
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8, ncols=2, frameon=False, loc="upper left")


def _write_number(
    axes: Axes, x: float, y: float, text: str, is_bright_background: bool, size: float = 8
) -> None:
    colour = "black" if is_bright_background else "white"
    axes.text(x, y, text, ha="center", va="center", fontsize=size, color=colour)


def _draw_grid(axes: Axes, shape: tuple[int, ...]) -> None:
    axes.set_xticks(np.arange(1, shape[1]) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, shape[0]) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)


def _signed(value: float, decimals: int) -> str:
    return "0" if abs(value) < 0.5 * 10**-decimals else f"{value:+.{decimals}f}"


def _short(value: float) -> str:
    """A number in few characters: two digits as in .12 and .0034, or one as in 3e-6."""
    if value == 0 or value >= 0.001:
        return f"{value:.2g}".removeprefix("0") or "0"
    return f"{value:.0e}".replace("e-0", "e-")


def _save(figure: Figure, path: Path) -> None:
    with replace_atomically(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
