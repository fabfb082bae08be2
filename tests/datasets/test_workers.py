import os
import signal

import pytest

from hclip_jax.datasets.workers import num_workers, ordered_map
from hclip_jax.errors import UserError


def kill(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_the_order_is_kept_and_work_is_bounded() -> None:
    taken = []

    def items():
        for number in range(40):
            taken.append(number)
            yield number

    results = ordered_map(abs, items(), 2)
    assert next(results) == 0
    assert len(taken) <= 8
    assert list(results) == list(range(1, 40))


def test_a_killed_worker_is_reported() -> None:
    with pytest.raises(UserError, match="a process that reads images was killed"):
        list(ordered_map(kill, range(10), 1))


def test_little_work_needs_no_processes() -> None:
    assert num_workers(10) == 0
    assert num_workers(1_000_000) <= 16
