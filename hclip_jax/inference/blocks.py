"""Blocks of a large output: its pixels are independent of each other, so it is computed block by block."""

import math
from collections.abc import Iterator

from hclip_jax.ops import resize
from hclip_jax.ops.resize import BilinearWeights

_MAX_EDGE = 2048  # pixels
# Sizes are padded to a multiple of this, so that images of many sizes share few compiled programs.
_SIZE_MULTIPLE = 128


Block = tuple[tuple[slice, slice], BilinearWeights, BilinearWeights]
"""Rows and columns of the output, and the weights of the rows and of the columns, padded."""


def output_blocks(size: tuple[int, int], grid_size: int) -> Iterator[Block]:
    """Splits an output of `size` = (height, width) into blocks that share one padded size.

    Args:
        size: of the output, which is resized from a square grid.
        grid_size: height and width of that grid.
    """
    rows, columns = (_axis_blocks(length, grid_size) for length in size)
    for y, row_weights in rows:
        for x, column_weights in columns:
            yield (y, x), row_weights, column_weights


def _axis_blocks(length: int, grid_size: int) -> list[tuple[slice, BilinearWeights]]:
    num_blocks = math.ceil(length / _MAX_EDGE)
    padded = math.ceil(length / num_blocks / _SIZE_MULTIPLE) * _SIZE_MULTIPLE
    weights = resize.bilinear_weights(length, grid_size, num_blocks * padded)
    return [
        (slice(start, min(start + padded, length)), _part(weights, start, padded))
        for start in range(0, length, padded)
    ]


def _part(weights: BilinearWeights, start: int, length: int) -> BilinearWeights:
    return BilinearWeights(*(x[start : start + length] for x in weights))
