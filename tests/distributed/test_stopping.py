"""A signal at any moment: all save the same step and end with the same status."""

import re
import signal
from pathlib import Path

import pytest

from tests.distributed.workers import Worker, losses, records, start, wait, wait_until

ARGUMENTS = ("--config.train.num_train_steps=40", "--config.train.checkpoint_every=40")
TABLE = "degrees of freedom"  # printed right before the first step is compiled


def saved_step(workers: list[Worker]) -> int:
    """The step that all say they saved."""
    (step,) = {int(re.findall(r"saved after step (\d+)", worker.text())[0]) for worker in workers}
    return step


@pytest.mark.slow
@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ({0: signal.SIGTERM, 1: signal.SIGTERM}, 143),
        ({0: signal.SIGINT}, 130),
        ({1: signal.SIGINT}, 130),
        ({0: signal.SIGINT, 1: signal.SIGTERM}, 143),
    ],
)
def test_between_steps(numbers: dict[int, signal.Signals], status: int, tmp_path: Path) -> None:
    workers = start(tmp_path, 2, 1, ARGUMENTS)
    wait_until(lambda: 2 in losses(tmp_path), workers)
    for index, number in numbers.items():
        workers[index].send(number)
    assert wait(workers) == [status, status], workers[0].text() + workers[1].text()
    step = saved_step(workers)
    assert list(losses(tmp_path)) == list(range(1, step + 1))
    assert (tmp_path / f"run/checkpoints/{step}").is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("targets", [(0,), (1,), (0, 1)])
def test_while_the_first_step_is_compiled(targets: tuple[int, ...], tmp_path: Path) -> None:
    workers = start(tmp_path, 2, 1, ARGUMENTS)
    wait_until(lambda: TABLE in workers[0].text(), workers)
    assert not losses(tmp_path)
    for index in targets:
        workers[index].send(signal.SIGTERM)
    assert wait(workers) == [143, 143], workers[0].text() + workers[1].text()
    assert saved_step(workers) <= 3


@pytest.mark.slow
@pytest.mark.parametrize("targets", [(0,), (1,), (0, 1)])
def test_in_an_evaluation(targets: tuple[int, ...], tmp_path: Path) -> None:
    """Its step is saved, and it is run again, with the same training after it."""
    arguments = ("--config.train.num_train_steps=4", "--config.train.evaluate_every=2")
    arguments += ("--config.evaluation.num_images=0",)  # all
    workers = start(tmp_path, 2, 1, arguments)
    wait_until(lambda: any((tmp_path / "run/overlays").glob("*/*.png")), workers)
    for index in targets:
        workers[index].send(signal.SIGTERM)
    assert wait(workers) == [143, 143], workers[0].text() + workers[1].text()
    assert saved_step(workers) == 2
    assert not any("evaluation" in line for line in records(tmp_path))
    workers = start(tmp_path, 2, 1, (*arguments[:2], "--config.evaluation.num_images=3"))
    assert wait(workers) == [0, 0], workers[0].text()
    assert [line["step"] for line in records(tmp_path)] == [1, 2, 2, 3, 4, 4]
