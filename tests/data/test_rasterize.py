import numpy as np
import pytest

from hclip_jax.data.rasterize import polygons_mask
from hclip_jax.inference.polygons import mask_polygons


def test_a_rectangle_and_a_triangle() -> None:
    mask = polygons_mask([np.array([[1, 1], [4, 1], [4, 3], [1, 3]])], 4, 6)
    np.testing.assert_array_equal(np.argwhere(mask).min(0), [1, 1])
    assert (mask.sum(), mask[1:3, 1:4].sum()) == (6, 6)
    triangle = polygons_mask([np.array([[0, 0], [4, 0], [0, 4.0]])], 4, 4)
    np.testing.assert_array_equal(triangle.sum(axis=1), [3, 2, 1, 0])  # centres on the border are outside


def test_parts_are_united_and_clipped() -> None:
    square = np.array([[-1e8, -5], [2, -5], [2, 1e8], [-1e8, 1e8]])
    outside = square + np.array([2e8, 0])
    np.testing.assert_array_equal(polygons_mask([square, square, outside], 3, 4), [[1, 1, 0, 0]] * 3)
    assert not polygons_mask([np.array([[1, 1], [1, 1], [1, 1]])], 3, 4).any()


@pytest.mark.parametrize("seed", range(5))
def test_polygons_of_a_mask_give_the_mask(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.random((9, 11)) < 0.5
    rows, columns = np.mgrid[:60, :77]
    mask = np.kron(coarse, np.ones((7, 7), bool))[:60, :77] ^ ((rows - 30) ** 2 + (columns - 40) ** 2 < 400)
    np.testing.assert_array_equal(polygons_mask(mask_polygons(mask), *mask.shape), mask)
