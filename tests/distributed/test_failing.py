"""What happens to one worker is everyone's sentence, with the same status, within stated seconds."""

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.distributed.workers import Worker, losses, start, wait, wait_until
from tests.labelled_folder import NAMES, make_folder
from tests.training.test_inputs import save_clip

LONG = ("--config.train.num_train_steps=2000", "--config.train.checkpoint_every=1")
CONFIGURATION = "the configuration differs from that of process 0"


def assert_one_sentence(workers: list[Worker], message: str, process: int) -> None:
    """Every worker says it once, and the others name the process; nothing of Python or C++ is printed."""
    for index, worker in enumerate(workers):
        (error,) = worker.errors()
        assert re.search(message, error), error
        if index != process:
            assert error.startswith(f"error: process {process} ("), error
        assert "Traceback" not in worker.text(), worker.text()
        assert "stack trace" not in worker.text()


def test_a_worker_with_another_configuration_ends_all(tmp_path: Path) -> None:
    workers = start(tmp_path, 2, 1, own={1: ["--config.train.learning_rate=0.5"]})
    assert wait(workers) == [2, 2]
    assert_one_sentence(workers, CONFIGURATION, 1)
    assert not (tmp_path / "run/checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize("field", ["class_list", "data", "weights", "version"])
def test_a_worker_with_other_files_ends_all(field: str, tmp_path: Path) -> None:
    """The same paths from another current folder: a worker with its own disk."""
    folders, before, arguments = [tmp_path / "disk_0", tmp_path / "disk_1"], {}, []
    for number, folder in enumerate(folders):
        make_folder(folder / "data")
        if field == "weights":
            arguments = ["--config.clip.weights=clip"]
            save_clip(folder / "clip", 1 + number)
    if field == "class_list":
        (folders[1] / "data/classes.txt").write_text("cat\ntraffic light\nclouds\n")
    if field == "data":
        for kind in ("images", "labels"):
            (folders[1] / f"data/{kind}/train/d.png").unlink()
    if field == "version":
        before = {1: "import hclip_jax.version\nhclip_jax.version.__version__ = '0.0'"}
    arguments += ["--config.data.root=data", "--config.data.label_set="]
    workers = start(tmp_path, 2, 1, arguments, before=before, folders=folders)
    assert wait(workers) == [2, 2], workers[0].text()
    assert_one_sentence(workers, f"the {field.replace('_', ' ')} differs from that of process 0", 1)


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_an_error_of_one_worker_in_a_training_ends_all(index: int, tmp_path: Path) -> None:
    folders = [tmp_path / "disk_0", tmp_path / "disk_1"]
    for folder in folders:
        make_folder(folder / "data")
    arguments = (*LONG, "--config.data.root=data", "--config.data.label_set=")
    workers = start(tmp_path, 2, 1, arguments, folders=folders)
    wait_until(lambda: 2 in losses(tmp_path), workers)
    for name in NAMES:
        (folders[index] / f"data/images/{name}.png").unlink()
    seconds = _seconds(lambda: workers[index].process.wait(60))
    assert seconds < 20  # batches that were read before come first
    assert _seconds(lambda: workers[1 - index].process.wait(60)) < 5
    assert wait(workers) == [2, 2], workers[0].text() + workers[1].text()
    assert_one_sentence(workers, r"\w\.png", index)


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_a_killed_worker_ends_the_others(index: int, tmp_path: Path) -> None:
    """Also process 0, whose service the others wait for."""
    workers = start(tmp_path, 2, 1, LONG)
    wait_until(lambda: 2 in losses(tmp_path), workers)
    workers[index].send(signal.SIGKILL)
    assert _seconds(lambda: workers[1 - index].process.wait(60)) < 30
    assert wait(workers) == [-9, 134] if index == 0 else [134, -9], workers[1 - index].text()
    assert_one_sentence([workers[1 - index]], r"has not answered for \d+ s; start the same command", 0)
    first = max(losses(tmp_path))
    # The same command; fewer steps in the same work directory are refused.
    workers = start(tmp_path, 2, 1, LONG)
    wait_until(lambda: first + 2 in losses(tmp_path), workers)
    workers[0].send(signal.SIGTERM)
    assert wait(workers) == [143, 143]
    steps = list(losses(tmp_path))
    assert steps == list(range(1, steps[-1] + 1))


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_a_stuck_worker_ends_the_others(index: int, tmp_path: Path) -> None:
    workers = start(tmp_path, 2, 1, LONG)
    wait_until(lambda: 2 in losses(tmp_path), workers)
    workers[index].send(signal.SIGSTOP)
    assert _seconds(lambda: workers[1 - index].process.wait(60)) < 30
    assert workers[1 - index].process.returncode == 134, workers[1 - index].text()
    workers[index].send(signal.SIGKILL)
    wait(workers)
    assert_one_sentence([workers[1 - index]], r"has not answered for 20 s; start the same command", 0)


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_a_worker_that_waits_in_vain(index: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HCLIP_JAX_JOIN_SECONDS", "3")
    (worker,) = start(tmp_path, 2, 1, started=[index])
    assert wait([worker]) == [2]
    assert "not all processes of this training came within 3 s" in worker.text()
    assert len(worker.errors()) == 1, worker.text()


def _seconds(wait: Callable[[], object]) -> float:
    before = time.monotonic()
    wait()
    return time.monotonic() - before
