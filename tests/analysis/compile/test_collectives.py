import pytest

from hclip_jax.analysis.compile.collectives import find_collectives, mesh_axis, replica_groups
from hclip_jax.analysis.compile.hlo import parse
from tests.analysis.compile.small_program import AXES, TEXT

FOUND = {c.kind + str(c.loops): c for c in find_collectives(parse(TEXT), AXES)}


def test_size_times_axis_and_line_of_every_collective() -> None:
    rows = {(c.kind, c.bytes, c.times, c.loops, c.axis, c.source) for c in FOUND.values()}
    assert rows == {
        ("all-reduce", 171 * 512 * 4 + 4, 1, 0, "data, class", "models/clip/block.py:97"),
        ("all-reduce", 60, 5, 1, "data", "models/clip/block.py:97"),
        ("all-gather", 16, 15, 2, "class", "models/clip/block.py:97"),
        ("reduce-scatter", 32, 15, 2, "class", "models/clip/block.py:97"),
    }


def test_the_largest_comes_first() -> None:
    totals = [c.total for c in find_collectives(parse(TEXT), AXES)]
    assert totals == sorted(totals, reverse=True)


def test_only_the_sum_over_data_in_a_loop_is_one_of_gradients() -> None:
    assert [name for name, c in FOUND.items() if c.sums_gradients_in_loop] == ["all-reduce1"]


def test_a_sum_that_the_compiler_inserts_in_a_loop_is_one_of_gradients_over_any_axis() -> None:
    sum_over_class = FOUND["all-reduce1"]._replace(axis="class")
    assert sum_over_class.sums_gradients_in_loop
    assert not sum_over_class._replace(inserted=False).sums_gradients_in_loop


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("replica_groups={{0,2},{1,3}}, x", [[0, 2], [1, 3]]),
        ("replica_groups=[2,2]<=[4]", [[0, 1], [2, 3]]),
        ("replica_groups=[2,2]<=[2,2]T(1,0)", [[0, 2], [1, 3]]),
        ("replica_groups={}", []),
    ],
)
def test_groups_in_both_notations(text: str, groups: list[list[int]]) -> None:
    assert replica_groups(text) == groups


@pytest.mark.parametrize(
    ("groups", "axis"),
    [
        ([[0, 1], [2, 3], [4, 5], [6, 7]], "class"),
        ([[1, 3, 5, 7], [0, 2, 4, 6]], "data"),
        ([list(range(8))], "data, class"),
        ([[0, 1, 2, 3], [4, 5, 6, 7]], "?"),
        ([], "data, class"),
    ],
)
def test_the_axis_of_groups(groups: list[list[int]], axis: str) -> None:
    assert mesh_axis(groups, AXES) == axis


def test_an_axis_of_one_device_is_not_named() -> None:
    assert mesh_axis([[0, 1, 2, 3]], {"data": 4, "class": 1}) == "data"
