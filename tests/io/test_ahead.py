"""Items computed in threads: in order, bounded, with errors in their place."""

import threading
from collections.abc import Iterator

import pytest

from hclip_jax.io.ahead import computed_ahead


def threads_left() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("hclip-ahead")]


def test_results_are_in_order() -> None:
    first = threading.Event()

    def square(number: int) -> int:
        if number == 0:
            assert first.wait(10)
        elif number == 2:
            first.set()  # later ones are computed meanwhile
        return number**2

    assert list(computed_ahead(square, range(20), 3)) == [number**2 for number in range(20)]
    assert not threads_left()


@pytest.mark.parametrize("count", [1, 4])
def test_a_bounded_number_is_taken_ahead(count: int) -> None:
    taken = list[int]()

    def items() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    results = computed_ahead(str, items(), count)
    assert not taken
    for number in range(10):
        assert next(results) == str(number)
        assert len(taken) == min(number + 1 + count, 10)


def test_an_error_comes_in_place_of_its_result() -> None:
    def call(number: int) -> int:
        return 6 // (2 - number)

    results = computed_ahead(call, range(9), 4)
    assert [next(results), next(results)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not threads_left()


def test_leaving_early_ends_the_threads() -> None:
    results = computed_ahead(str, iter(range(1000)), 2)
    assert next(results) == "0"
    results.close()
    assert not threads_left()


def test_no_items_have_no_results() -> None:
    assert list(computed_ahead(str, [], 2)) == []
