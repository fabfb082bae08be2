"""The windows of a Swin block inside of a kernel: read from the grid of patches, and written back to it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Runs = list[tuple[int, Any, int, int]]
"""Neighbouring patches of a window: the first one's place in it, row and column in the grid, their number."""


def for_each_window(run: Callable[[Any, Runs], None], grid: tuple[int, int], window: int, shift: int) -> None:
    """Calls `run` with the number of each window, and its patches.

    The rows of windows are a loop. The windows of a row are not: columns of a grid can only be read at places
    that are known when the kernel is compiled.

    Args:
        run: what to do with a window.
        grid: h and w.
        window: patches along a side of a window.
        shift: patches by which windows are shifted.
    """
    height, width = grid
    columns = range(width // window)

    def run_row(row: Any, _: None) -> None:
        for column in columns:
            places = [jax.lax.rem(row * window + shift + i, height) for i in range(window)]
            run(row * len(columns) + column, _runs(places, column * window + shift, width))

    jax.lax.fori_loop(0, height // window, run_row, None)


def _runs(rows: list[Any], left: int, width: int) -> Runs:
    """The patches of a window that may reach over the right edge of the grid, to continue on the left."""
    size = len(rows)
    inside = min(size, width - left)
    runs: Runs = []
    for i, row in enumerate(rows):
        runs.append((i * size, row, left, inside))
        if inside < size:
            runs.append((i * size + inside, row, 0, size - inside))
    return runs


def gather(x: Any, patches: Any, runs: Runs) -> None:
    """Reads a window: `patches` float32 [N, C] from x [h, w, C]; both are references."""
    for start, row, column, length in runs:
        patches[start : start + length, :] = x[row, column : column + length, :].astype(jnp.float32)


def scatter(patches: Any, y: Any, runs: Runs) -> None:
    """The inverse of `gather`."""
    for start, row, column, length in runs:
        y[row, column : column + length, :] = patches[start : start + length, :].astype(y.dtype)
