"""Blocks of the output: its pixels are independent of each other, so it is computed block by block.

All blocks have one size, so images of all sizes share the compiled program of a block.
"""

from typing import NamedTuple

from hclip_jax.ops import resize
from hclip_jax.ops.resize import BilinearWeights

BLOCK_SIZE = 256
"""Height and width of a block in pixels."""


class Block(NamedTuple):
    """A block of the output.

    Attributes:
        pixels: its rows and columns in the output; fewer than BLOCK_SIZE at the end.
        rows: weights of BLOCK_SIZE rows; the last is repeated beyond the output.
        columns: the same of the columns.
    """

    pixels: tuple[slice, slice]
    rows: BilinearWeights
    columns: BilinearWeights


def output_blocks(size: tuple[int, int], grid_size: int) -> list[Block]:
    """Splits an output of `size` = (height, width), which is resized from a square grid, in row-major order.

    Args:
        size: of the output in pixels.
        grid_size: height and width of the grid.
    """
    rows, columns = (_axis_blocks(length, grid_size) for length in size)
    return [
        Block((y, x), row_weights, column_weights) for y, row_weights in rows for x, column_weights in columns
    ]


def _axis_blocks(length: int, grid_size: int) -> list[tuple[slice, BilinearWeights]]:
    starts = range(0, length, BLOCK_SIZE)
    weights = resize.bilinear_weights(length, grid_size, len(starts) * BLOCK_SIZE)
    return [
        (slice(start, min(start + BLOCK_SIZE, length)), _part(weights, start, BLOCK_SIZE)) for start in starts
    ]


def _part(weights: BilinearWeights, start: int, length: int) -> BilinearWeights:
    return BilinearWeights(*(x[start : start + length] for x in weights))
