"""Several processes train as one, stop as one and fail as one."""

import json
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.config.validate import from_config_dict
from hclip_jax.evaluation.image_counts import read_counts
from hclip_jax.sharding import make_mesh
from hclip_jax.training import loop
from tests.distributed.workers import send, start, wait, wait_until
from tests.small_models import micro_dict

STEPS = 6
OVERRIDES = (f"--config.train.num_train_steps={STEPS}", "--config.train.evaluate_every=3")


def records(folder: Path) -> list[dict]:
    path = folder / "run/metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [line for line in lines if not {"start", "end"} & line.keys()]


def losses(folder: Path) -> dict[int, float]:
    return {record["step"]: record["loss"] for record in records(folder) if "loss" in record}


def evaluations(folder: Path) -> list[float]:
    """MIoU from 0 to 1; a pixel with two classes of nearly equal probability may move it by 1e-5."""
    return [record["evaluation"]["val"]["mIoU"] / 100 for record in records(folder) if "evaluation" in record]


def train_alone(folder: Path) -> None:
    c = micro_dict()
    c.train.update(num_train_steps=STEPS, evaluate_every=3)
    loop.train(from_config_dict(c), folder / "run", make_mesh(1))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the same training by one process on one device."""
    folder = tmp_path_factory.mktemp("alone")
    train_alone(folder)
    return folder


def assert_equal_runs(folder: Path, alone: Path) -> None:
    assert [record["step"] for record in records(folder)] == [record["step"] for record in records(alone)]
    expected = losses(alone)
    np.testing.assert_allclose(
        [losses(folder)[step] for step in expected], list(expected.values()), atol=1e-6
    )
    np.testing.assert_allclose(evaluations(folder), evaluations(alone), atol=1e-4)
    counts, expected_counts = (read_counts(path / "run/evaluation/val.npz") for path in (folder, alone))
    assert counts.image_names == expected_counts.image_names
    np.testing.assert_array_equal(counts.truth, expected_counts.truth)
    pixels = expected_counts.truth.sum()
    np.testing.assert_allclose(
        counts.prediction / pixels, expected_counts.prediction / pixels, atol=1e-4, rtol=0
    )


def test_stopped_workers_resume_as_one_process(alone: Path, tmp_path: Path) -> None:
    """SIGTERM to one of two: both save the same step, and one process goes on with the same losses."""
    workers = start(tmp_path, 2, 2, OVERRIDES)
    wait_until(lambda: 1 in losses(tmp_path), workers)
    send(workers[1], signal.SIGTERM)
    assert wait(workers) == [143, 143], workers[0].text() + workers[1].text()
    saved = [re.findall(r"saved after step (\d)", worker.text()) for worker in workers]
    assert saved[0] == saved[1]
    assert (tmp_path / "run/checkpoints" / saved[0][0]).is_dir()
    assert "step 1/" in (tmp_path / "run/logs/process_1.log").read_text()
    assert "step 1/" not in workers[1].text()
    train_alone(tmp_path)
    assert_equal_runs(tmp_path, alone)


def test_a_worker_with_another_configuration_ends_all(tmp_path: Path) -> None:
    workers = start(tmp_path, 2, 1, OVERRIDES, {1: ["--config.train.learning_rate=0.5"]})
    assert wait(workers) == [2, 2]
    for worker in workers:
        errors = [line for line in worker.text().splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, worker.text()
        assert "the configuration differs from that of process 0" in errors[0]
    assert "process 1 (" in workers[0].text()
    assert not (tmp_path / "run/checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "devices", "mesh"), [(4, 2, "8x1"), (2, 4, "2x4"), (4, 2, "1x8"), (2, 3, "")]
)
def test_all_meshes_over_processes(count: int, devices: int, mesh: str, alone: Path, tmp_path: Path) -> None:
    """Also where the devices of a process share the images of another, and 6 devices a batch of 8."""
    workers = start(tmp_path, count, devices, (*OVERRIDES, *([f"--mesh={mesh}"] if mesh else [])))
    assert wait(workers, 560) == [0] * count, workers[0].text()
    assert_equal_runs(tmp_path, alone)


@pytest.mark.slow
def test_a_killed_worker_ends_the_others(alone: Path, tmp_path: Path) -> None:
    arguments = (*OVERRIDES, "--config.train.checkpoint_every=1")
    workers = start(tmp_path, 2, 2, arguments)
    wait_until(lambda: 2 in losses(tmp_path), workers)
    send(workers[1], signal.SIGKILL)
    before = time.monotonic()
    assert wait(workers) == [134, -9]
    assert time.monotonic() - before < 40
    lines = workers[0].text().splitlines()
    assert sum("process 1 (" in line and "has not answered for 20 s" in line for line in lines) == 1
    assert wait(start(tmp_path, 2, 2, arguments)) == [0, 0]
    assert_equal_runs(tmp_path, alone)


@pytest.mark.slow
def test_a_worker_that_waits_in_vain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HCLIP_JAX_JOIN_SECONDS", "3")
    (worker, other) = start(tmp_path, 2, 1, OVERRIDES)
    other.process.kill()
    assert wait([worker]) == [2]
    assert "not all processes of this training came within 3 s" in worker.text()
