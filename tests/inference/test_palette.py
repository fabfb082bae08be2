import numpy as np
import pytest

from hclip_jax.inference.palette import class_colours, palette


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


def test_conventional_colours() -> None:
    colours = class_colours(["Sky, heavens", "car", "van", "zebra"])
    np.testing.assert_array_equal(colours[0], class_colours(["sky"])[0])
    blue = colours[0].astype(int)
    assert blue[2] > blue[1] > blue[0]
    assert len(np.unique(colours, axis=0)) == 4  # car and van share one, which the first has


def test_a_name_keeps_its_colour_in_other_lists() -> None:
    names = ["zebra", "lamp", "red thing"]
    colours = class_colours(names)
    np.testing.assert_array_equal(class_colours(names[::-1])[::-1], colours)
    np.testing.assert_array_equal(class_colours(["sky", *names, "tree"])[1:4], colours)


@pytest.mark.parametrize("count", [0, 1, 64, 65, 847, 2000])
def test_all_classes_have_colours_of_their_own(count: int) -> None:
    colours = class_colours([f"class {t}" for t in range(count)])
    assert colours.dtype == np.uint8
    assert len(np.unique(colours, axis=0)) == count


def test_few_classes_are_far_apart() -> None:
    for seed in range(20):
        colours = class_colours([f"thing {seed} {t}" for t in range(10)]).astype(int)
        distance = np.abs(colours[:, None] - colours[None]).sum(axis=-1)
        assert distance[~np.eye(10, dtype=bool)].min() >= 40
