"""Work in a thread: in order, bounded, with its errors in place."""

import threading
import time
from collections.abc import Iterable

import pytest

from hclip_jax.errors import UserError
from hclip_jax.io.background import Background


def put_all(
    background: Background,
    numbers: Iterable[int],
    error: BaseException | None = None,
    started: threading.Event | None = None,
) -> None:
    """A block that puts numbers, waits for `started` and raises `error`."""
    with background:
        for number in numbers:
            background.put(number)
        if started:
            assert started.wait(10)
        if error:
            raise error


def test_calls_are_in_order_and_over_at_the_end() -> None:
    done: list[int] = []

    def call(number: int) -> None:
        time.sleep(0.01 * (number == 0))
        done.append(number)

    with Background(call) as background:
        for number in range(20):
            background.put(number)
    assert done == list(range(20))
    assert background.num_done == 20


def test_calls_overlap_with_the_block_and_few_wait() -> None:
    may_go_on, started = threading.Event(), threading.Event()

    def call(number: int) -> None:
        started.set()
        assert may_go_on.wait(10)

    with Background(call) as background:
        background.put(0)
        assert started.wait(10)
        background.put(1)  # waits beside the one in work
        threading.Timer(0.1, may_go_on.set).start()
        background.put(2)
        assert may_go_on.is_set()  # `put` waited for the first


def test_an_error_ends_the_block_and_the_later_calls() -> None:
    done: list[int] = []

    def call(number: int) -> None:
        if number == 3:
            raise UserError("the disk is full")
        done.append(number)

    background = Background(call)
    with pytest.raises(UserError, match="the disk is full"):
        put_all(background, range(100))
    assert done == [0, 1, 2]
    assert background.num_done == 3


def test_an_error_of_the_last_call_is_raised_at_the_end() -> None:
    def call() -> None:
        raise UserError("the disk is full")

    with pytest.raises(UserError, match="the disk is full"), Background(call) as background:
        background.put()


def test_an_earlier_call_is_over_before_an_error_of_the_block() -> None:
    done: list[int] = []
    with pytest.raises(UserError, match="a later image"):
        put_all(Background(done.append), [1], UserError("a later image"))
    assert done == [1]

    def call(number: int) -> None:
        raise UserError("an earlier image")

    with pytest.raises(UserError, match="an earlier image"):
        put_all(Background(call), [1], UserError("a later image"))


def test_an_interruption_waits_for_the_call_in_work_only() -> None:
    done: list[int] = []
    started = threading.Event()

    def call(number: int) -> None:
        started.set()
        time.sleep(0.1)
        done.append(number)

    with pytest.raises(KeyboardInterrupt):
        put_all(Background(call), [0, 1], KeyboardInterrupt(), started)
    assert done == [0]
    time.sleep(0.2)
    assert done == [0]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hclip-background")]
