"""All blocks have one size, and their weights are those of the whole output."""

import numpy as np
import pytest

from hclip_jax.inference.blocks import BLOCK_SIZE, output_blocks
from hclip_jax.ops.resize import bilinear_weights, gather_bilinear

GRID = np.random.default_rng(0).random((48, 48), np.float32)


@pytest.mark.parametrize("size", [(1, 1), (128, 300), (129, 257), (700, 256), (3, 1000)])
def test_blocks_give_the_whole_output(size: tuple[int, int]) -> None:
    result = np.full(size, np.nan, np.float32)
    for pixels, rows, columns in output_blocks(size, 48):
        part = gather_bilinear(GRID, rows, columns)
        assert part.shape == (BLOCK_SIZE, BLOCK_SIZE)
        assert np.isnan(result[pixels]).all()  # no pixel belongs to two blocks
        result[pixels] = part[: result[pixels].shape[0], : result[pixels].shape[1]]
    whole = gather_bilinear(GRID, bilinear_weights(size[0], 48), bilinear_weights(size[1], 48))
    np.testing.assert_array_equal(result, whole)
