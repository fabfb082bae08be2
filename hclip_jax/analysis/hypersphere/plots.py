"""The measures as pictures."""

import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no window: it also runs where there is no screen
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from hclip_jax.analysis.hypersphere.energy import EnergyChange
from hclip_jax.analysis.hypersphere.measure import LETTERS, TowerRotations
from hclip_jax.analysis.hypersphere.relations import Relations
from hclip_jax.io.files import replace_atomically

_ROUNDING = 1e-5  # relative change of an energy that float32 makes by itself
_MOST_LAYERS = 16  # with numbers in their cells
_LEAST = 1e-7  # distance from orthogonality that has a colour
_MOST_LABELS = 64  # a row each
_COLOURS = {"q": "#4477aa", "k": "#66ccee", "v": "#228833", "o": "#cc7722"}


def plot_energy(path: Path, energy: dict[str, EnergyChange]) -> None:
    """Relative change of the energy of every matrix, in percent, one scale for both towers, as PNG."""
    depth = max(len(change.before) for change in energy.values())
    figure, panels = plt.subplots(
        1,
        len(energy),
        figsize=(4.2 * len(energy) + 1, 1.6 + 0.36 * depth),
        layout="constrained",
        squeeze=False,
    )
    changes = {tower: 100 * change.relative for tower, change in energy.items()}
    finite = np.concatenate([change[np.isfinite(change)] for change in changes.values()])
    largest = max(np.abs(finite).max(initial=0), 100 * _ROUNDING)
    decimals = max(0, 1 - math.floor(math.log10(largest)))
    images = []
    for axes, (tower, change) in zip(panels[0], changes.items(), strict=True):
        images.append(axes.imshow(change, "RdBu_r", vmin=-largest, vmax=largest, aspect="auto"))
        axes.set_xticks(range(4), list(LETTERS.values()))
        axes.set_yticks(range(len(change)), [str(layer + 1) for layer in range(len(change))])
        axes.set_ylabel("layer")
        axes.set_title(f"{tower} tower: {_signed(100 * energy[tower].whole, max(decimals, 3))} %")
        if len(change) <= _MOST_LAYERS:
            for (layer, j), value in np.ndenumerate(change):
                bright = abs(value) < 0.6 * largest
                _number(axes, j, layer, _signed(value, decimals), bright)
        _grid(axes, change.shape)
    figure.colorbar(images[0], ax=panels, label="change, %", shrink=0.8)
    figure.suptitle("Hyperspherical energy: change by adapting")
    _save(figure, path)


def plot_rotations(path: Path, turned: dict[str, TowerRotations]) -> None:
    """Angles of every matrix by layer, above their blocks' distance from orthogonality, as PNG."""
    deepest = max(len(own.layers) for own in turned.values())
    figure, panels = plt.subplots(
        2,
        len(turned),
        figsize=((2 + 0.36 * max(deepest, 8)) * len(turned) + 1, 5.6),
        height_ratios=(3, 1.2),
        layout="constrained",
        squeeze=False,
    )
    largest = max(own.turning.distance.max() for own in turned.values())
    norm, images = LogNorm(_LEAST, max(largest, 1e-3)), []
    for (above, below), (tower, own) in zip(panels.T, turned.items(), strict=True):
        kind = "orthogonal blocks" if own.orthogonal else "free blocks, nearest rotation"
        above.set_title(f"{tower} tower: {kind}")
        _angles(above, own)
        distance = own.turning.distance.max(axis=2).T  # [J, L]
        images.append(below.imshow(np.maximum(distance, _LEAST), "viridis_r", norm=norm, aspect="auto"))
        below.set_yticks(range(len(own.letters)), own.letters)
        below.set_xlabel("layer")
        for axes in (above, below):
            axes.set_xticks(range(len(own.layers)), [str(layer) for layer in own.layers], fontsize=8)
            axes.set_xlim(-0.5, len(own.layers) - 0.5)
        if len(own.layers) <= _MOST_LAYERS:
            for (j, layer), value in np.ndenumerate(distance):
                _number(below, layer, j, _short(value), norm(max(value, _LEAST)) < 0.5, size=5.5)
        _grid(below, distance.shape)
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


def _angles(axes: Axes, own: TowerRotations) -> None:
    angles = own.turning.angles  # [L, J, M, b]
    flat = angles.reshape(*angles.shape[:2], -1)
    step = 0.8 / len(own.letters)
    for j, letter in enumerate(own.letters):
        x = np.arange(len(flat)) + step * (j - (len(own.letters) - 1) / 2)
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
    """Who hears of whom: among layers, among blocks, and by layer how much, as PNG."""
    figure = plt.figure(figsize=(15, 8.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.35, 1), height_ratios=(1.25, 1))
    _layer_relation(figure, figure.add_subplot(grid[:, 0]), relations)
    _modality_relation(figure, figure.add_subplot(grid[0, 1]), relations)
    _by_layer(figure.add_subplot(grid[1, 1]), relations)
    figure.suptitle("Relations: who hears of whom (rows hear of columns)")
    _save(figure, path)


def _layer_relation(figure: Figure, axes: Axes, own: Relations) -> None:
    letters = [LETTERS[target] for target in own.targets]
    kinds, side = len(letters), len(own.layer)
    image = axes.imshow(own.layer, "magma_r", vmin=0, vmax=own.layer.max() or 1)
    if side <= _MOST_LABELS:
        ticks = list(range(side))
        labels = [f"{layer} {letter}" for layer in own.layers for letter in letters]
    else:
        ticks = [kinds * i + kinds // 2 for i in range(len(own.layers))]
        labels = [str(layer) for layer in own.layers]
    size = 6 if len(ticks) > 24 else 9
    axes.set_xticks(ticks, labels, rotation=90, fontsize=size)
    axes.set_yticks(ticks, labels, fontsize=size)
    for edge in range(kinds, side, kinds):
        axes.axhline(edge - 0.5, color="grey", linewidth=0.4)
        axes.axvline(edge - 0.5, color="grey", linewidth=0.4)
    axes.set_title("|layer relation – I|: layer and matrix")
    figure.colorbar(image, ax=axes, shrink=0.7)


def _modality_relation(figure: Figure, axes: Axes, own: Relations) -> None:
    mean = own.modality.mean(axis=0)
    image = axes.imshow(mean, "magma_r", vmin=0, vmax=mean.max() or 1)
    numbers = [own.towers[:i].count(tower) + 1 for i, tower in enumerate(own.towers)]
    labels = [f"{tower} {number}" for tower, number in zip(own.towers, numbers, strict=True)]
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=8)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    if "text" in own.towers and "image" in own.towers:
        edge = own.towers.index("image") - 0.5
        axes.axhline(edge, color="teal", linewidth=2)
        axes.axvline(edge, color="teal", linewidth=2)
    if len(mean) <= _MOST_LAYERS:
        for (i, m), value in np.ndenumerate(mean):
            _number(axes, m, i, _short(value), value < 0.5 * (mean.max() or 1), size=6)
    axes.set_title("|modality relation – I|: blocks, mean of all layers")
    figure.colorbar(image, ax=axes)


def _by_layer(axes: Axes, own: Relations) -> None:
    series = {
        "its matrices hear of other matrices": own.between_matrices,
        "its blocks hear of other blocks": own.between_blocks,
    }
    towers = sorted(set(own.towers), key=own.towers.index)
    if len(towers) == 2:
        series["text blocks hear of image blocks"] = own.between_towers("text", "image")
        series["image blocks hear of text blocks"] = own.between_towers("image", "text")
    step, x = 0.8 / len(series), np.arange(len(own.layers))
    for i, (name, heights) in enumerate(series.items()):
        axes.bar(x + step * (i - (len(series) - 1) / 2), heights, step, label=name)
    axes.set_xticks(x, [str(layer) for layer in own.layers])
    axes.set_xlabel("layer")
    axes.set_ylabel("norm off the diagonal")
    axes.set_ylim(0, max(1.3 * max(heights.max() for heights in series.values()), 1e-6))
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8, ncols=2, frameon=False, loc="upper left")


def _number(axes: Axes, x: float, y: float, text: str, bright: bool, size: float = 8) -> None:
    axes.text(x, y, text, ha="center", va="center", fontsize=size, color="black" if bright else "white")


def _grid(axes: Axes, shape: tuple[int, ...]) -> None:
    axes.set_xticks(np.arange(1, shape[1]) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, shape[0]) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)


def _signed(value: float, decimals: int) -> str:
    return "0" if abs(value) < 0.5 * 10**-decimals else f"{value:+.{decimals}f}"


def _short(value: float) -> str:
    """Two digits in little room: .12, .0034, or one: 3e-6."""
    if value == 0 or value >= 0.001:
        return f"{value:.2g}".removeprefix("0") or "0"
    return f"{value:.0e}".replace("e-0", "e-")


def _save(figure: Figure, path: Path) -> None:
    with replace_atomically(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
    plt.close(figure)
