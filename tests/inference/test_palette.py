import numpy as np
import pytest

from hclip_jax.inference.palette import palette


@pytest.mark.parametrize("count", [0, 1, 2, 171, 847])
def test_colours_are_distinct_and_the_same_for_any_count(count: int) -> None:
    colours = palette(count)
    assert colours.shape == (count, 3)
    assert colours.dtype == np.uint8
    assert len(np.unique(colours, axis=0)) == count
    np.testing.assert_array_equal(colours, palette(900)[:count])


def test_the_first_colours_are_far_apart() -> None:
    colours = palette(40).astype(int)
    distance = np.abs(colours[:, None] - colours[None]).sum(axis=-1)
    assert distance[~np.eye(40, dtype=bool)].min() >= 60


def test_colours_repeat_beyond_the_distinct_ones() -> None:
    assert palette(20000).shape == (20000, 3)


def test_the_result_is_a_copy() -> None:
    palette(5)[:] = 0
    assert palette(5).any()
