"""Throughput, the time left and memory."""

import time

import pytest

from hclip_jax.training import pace
from hclip_jax.training.pace import VOLATILE, Throughput, peak_memory


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(pace.time, "perf_counter", lambda: now[0])
    return now


def test_the_time_left_is_that_of_steps_and_evaluations(clock: list[float]) -> None:
    throughput = Throughput(batch_size=4)
    clock[0] += 60  # compilation, which counts nowhere
    throughput.tick()
    assert throughput.line(8, 1) | {"time": 0, "memory": 0, "device_memory": 0} == {
        **dict.fromkeys(VOLATILE, None),
        "time": 0,
        "memory": 0,
        "device_memory": 0,
    }
    clock[0] += 2
    throughput.tick()
    clock[0] += 30
    throughput.evaluated(30)
    throughput.tick()
    clock[0] += 4
    throughput.tick()
    line = throughput.line(6, 2)
    assert line["seconds_per_step"] == 4  # since the evaluation
    assert line["images_per_second"] == 1
    assert line["seconds_left"] == 6 * 3 + 2 * 30  # at the pace of the run
    assert throughput.goodput() == {"seconds": 96, "step_seconds": 6}


def test_memory_is_that_of_the_process() -> None:
    process, device = peak_memory()
    assert process is not None
    assert 2**20 < process < 2**38
    assert device is None or device > 0


def test_time_is_that_of_the_clock() -> None:
    assert Throughput(1).line(1, 0)["time"] == pytest.approx(time.time(), abs=60)
