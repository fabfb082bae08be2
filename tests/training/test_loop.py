"""Whole training runs: resumed equals uninterrupted, the log, and errors."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from hclip_jax.config.validate import from_config_dict
from hclip_jax.errors import UserError
from hclip_jax.evaluation.confusion_matrix import METRICS
from hclip_jax.evaluation.evaluate import Evaluator
from hclip_jax.io.lock import locked
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import make_mesh
from hclip_jax.training import loop
from hclip_jax.training.best import settings_digest
from hclip_jax.training.evaluate import evaluate_checkpoint
from hclip_jax.training.restore import restore_params
from hclip_jax.training.stop import Stopped
from tests import tolerance
from tests.labelled_folder import NAMES, make_folder, relabel
from tests.small_models import micro, micro_dict

# A child process that trains the micro model on one device, with no checkpoint from step 2 to 6.
CHILD = """
import sys
from pathlib import Path
from hclip_jax.sharding import make_mesh
from hclip_jax.training import loop
from tests.small_models import micro

if __name__ == "__main__":
    loop.train(micro(num_train_steps=8, checkpoint_every=2), Path(sys.argv[1]), make_mesh(1))
"""


def records(workdir: Path) -> list[dict]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def losses(workdir: Path) -> dict[int, float]:
    return {r["step"]: r["loss"] for r in records(workdir) if "loss" in r}


def final_params(workdir: Path) -> dict:
    config = micro(num_train_steps=8, checkpoint_every=2)
    params, step = restore_params(config, Model(config.architecture), workdir, make_mesh(1))
    assert step == 8
    return jax.device_get(params)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work directory of a training that was never interrupted."""
    workdir = tmp_path_factory.mktemp("uninterrupted") / "whole"
    loop.train(micro(num_train_steps=8, checkpoint_every=2), workdir, make_mesh(1))
    return workdir


def test_killed_and_resumed_equals_uninterrupted(whole: Path, tmp_path: Path) -> None:
    config, mesh = micro(num_train_steps=8, checkpoint_every=2), make_mesh(1)

    workdir = tmp_path / "killed"
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "8"}
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(workdir)], env=environment)
    try:
        deadline = time.monotonic() + 240
        while not (workdir / "metrics.jsonl").exists() or max(losses(workdir), default=0) < 5:
            assert child.poll() is None, "the child ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not (workdir / "checkpoints" / "8").exists()

    loop.train(config, workdir, mesh)
    assert losses(workdir) == losses(whole)
    tolerance.assert_same(final_params(workdir), final_params(whole))


def test_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    c = micro_dict()
    c.train.update(num_train_steps=4, evaluate_every=2, evaluate_first=True)
    loop.train(from_config_dict(c), tmp_path, make_mesh(1))
    trained = [r for r in records(tmp_path) if "loss" in r]
    assert [r["step"] for r in trained] == [1, 2, 3, 4]
    for record in trained:
        assert record["text_energy"] == pytest.approx(1, abs=1e-5)
        assert record["grad_norm"] > 0
        rates = record["learning_rate_adapters"], record["learning_rate_head"]
        assert rates[0] == pytest.approx(0.01 * rates[1])
        assert record["time"] > 1e9
        assert record["memory"] > 1e7
    assert trained[-1]["images_per_second"] * trained[-1]["seconds_per_step"] == pytest.approx(8)
    assert trained[0]["seconds_left"] is None  # it compiles
    assert trained[1]["seconds_left"] is None or trained[1]["seconds_left"] > 0
    evaluated = [r for r in records(tmp_path) if "evaluation" in r]
    assert [r["step"] for r in evaluated] == [0, 2, 4]
    assert set(evaluated[0]["evaluation"]["val"]) == set(METRICS)
    figures = {r["step"]: r["evaluation"]["val"]["mIoU"] for r in evaluated[1:]}
    best = json.loads((tmp_path / "checkpoints/best.json").read_text())
    step = max(figures, key=lambda step: (figures[step], -step))
    settings = settings_digest(from_config_dict(c).evaluation)
    assert best == {"step": step, "metric": "val/mIoU", "value": figures[step], "settings": settings}
    (tmp_path / "report.html").unlink()
    evaluate_checkpoint(from_config_dict(c), tmp_path, make_mesh(8), checkpoint="best")
    assert f"<th>best checkpoint</th><td>step {step} (" in (tmp_path / "report.html").read_text()
    assert json.loads((tmp_path / "evaluation/val.json").read_text())["details"]["step"] == step
    out = capsys.readouterr().out.splitlines()
    assert next(line for line in out if line.startswith("step 4/4")).endswith(" left")
    (line,) = [line for line in out if line.startswith("step 4  val: ")]
    assert line.split()[3::2] == ["mIoU", "fwIoU", "mACC", "pACC"]


def test_a_loss_that_is_not_finite_stops_training_and_keeps_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_step = loop.make_step

    def broken(*args: Any) -> Any:
        step = make_step(*args)

        def update(state: Any, *rest: Any) -> tuple:
            state, metrics = step(state, *rest)
            if int(state.step) == 4:
                metrics = {**metrics, "loss": metrics["loss"] * np.float32("nan")}
            return state, metrics

        return update

    monkeypatch.setattr(loop, "make_step", broken)
    with pytest.raises(UserError, match=r"loss is nan at step 4.*the checkpoint of step 2 is kept"):
        loop.train(micro(num_train_steps=6, checkpoint_every=2), tmp_path, make_mesh(1))
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["2"]


def test_a_checkpoint_is_due_after_minutes_too(tmp_path: Path) -> None:
    loop.train(micro(checkpoint_every=100, checkpoint_minutes=1e-6), tmp_path, make_mesh(1))
    assert len(list((tmp_path / "checkpoints").iterdir())) > 1
    start, *_, end = records(tmp_path)
    facts = {"processes": 1, "devices": 1, "mesh": "1x1", "device_kind": "cpu"}
    assert start["start"].items() >= facts.items()
    assert start["start"]["parameters"]["adapters"][0] > 0
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert end["step"] == 4
    assert 0 < end["end"]["step_seconds"] < end["end"]["seconds"]


@pytest.mark.slow  # tests/training/test_step.py has the same on one step
def test_any_number_of_devices_serves_any_batch(whole: Path, tmp_path: Path) -> None:
    """The devices of 2 x 4 share 8 images among 2 and their classes among 4."""
    config = micro(num_train_steps=8, checkpoint_every=2)
    loop.train(config, tmp_path, make_mesh(8, shape="2x4"))
    np.testing.assert_allclose(list(losses(tmp_path).values()), list(losses(whole).values()), atol=1e-5)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_a_signal_in_a_step_saves_and_the_same_command_continues(
    number: int, status: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, mesh = micro(num_train_steps=8, checkpoint_every=100), make_mesh(1)
    place_rows, calls = loop.place_rows, iter(range(100))
    # A job in the background of a shell ignores SIGINT, and so would the training.
    before = signal.signal(number, signal.SIG_DFL)

    def place_and_signal(*args: Any) -> Any:
        if next(calls) == 2:
            signal.raise_signal(number)
        return place_rows(*args)

    monkeypatch.setattr(loop, "place_rows", place_and_signal)
    with pytest.raises(Stopped, match="saved after step 3; the same command resumes there") as stopped:
        loop.train(config, tmp_path / "stopped", mesh)
    assert stopped.value.status == status
    assert signal.signal(number, before) == signal.SIG_DFL  # a second signal would have ended the process
    assert [p.name for p in (tmp_path / "stopped/checkpoints").iterdir()] == ["3"]
    loop.train(config, tmp_path / "stopped", mesh)
    assert losses(tmp_path / "stopped") == losses(whole)
    tolerance.assert_same(final_params(tmp_path / "stopped"), final_params(whole))


@pytest.mark.slow
def test_a_signal_in_an_evaluation_saves_and_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = micro_dict()
    c.train.update(num_train_steps=4, evaluate_every=2, evaluate_first=True, checkpoint_every=100)
    config, run, seen = from_config_dict(c), Evaluator.run, list[int]()

    def run_and_signal(*args: Any) -> Any:
        seen.append(args[3])
        if seen == [0, 2]:  # the first evaluation of step 2
            signal.raise_signal(signal.SIGTERM)
        return run(*args)

    monkeypatch.setattr(Evaluator, "run", run_and_signal)
    with pytest.raises(Stopped, match="saved after step 2;"):
        loop.train(config, tmp_path, make_mesh(1))
    loop.train(config, tmp_path, make_mesh(1))
    assert [r["step"] for r in records(tmp_path) if "evaluation" in r] == [0, 2, 4]
    assert sorted(losses(tmp_path)) == [1, 2, 3, 4]


def test_two_trainings_in_one_directory_are_refused(tmp_path: Path) -> None:
    locked_run = locked(tmp_path / "run", "trains", "--workdir")
    with locked_run, pytest.raises(UserError, match=r"another process trains in .*run"):
        loop.train(micro(), tmp_path / "run", make_mesh(1))
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["lock"]
    loop.train(micro(), tmp_path / "run", make_mesh(1))  # unlocked at the end, and the file may stay


def test_labels_without_a_labelled_pixel_are_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "pets")
    for name in NAMES:
        relabel(tmp_path / "pets", name, lambda ids: np.full_like(ids, 255))
    c = micro_dict()
    c.data.update(root=str(tmp_path / "pets"), label_set="")
    with pytest.raises(UserError, match="no label of the training data has a labelled pixel"):
        loop.train(from_config_dict(c), tmp_path / "run", make_mesh(1))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_before_the_first_step_ends_with_a_sentence(
    number: int, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.signal(number, signal.SIG_DFL)
    monkeypatch.setattr("hclip_jax.training.prepare.initial_params", lambda *_: signal.raise_signal(number))
    with pytest.raises(Stopped, match="before the first step: there is nothing to save") as stopped:
        loop.train(micro(), tmp_path / "run", make_mesh(1))
    assert stopped.value.status == status
    assert signal.signal(number, before) == signal.SIG_DFL
    assert not (tmp_path / "run").exists()


def test_another_checkpoint_is_resumed_and_newer_ones_are_set_aside(whole: Path, tmp_path: Path) -> None:
    config, workdir = micro(num_train_steps=8, checkpoint_every=2), tmp_path / "run"
    shutil.copytree(whole, workdir)
    (workdir / "checkpoints/8/data/metadata").write_text("{}")
    with pytest.raises(UserError, match=r"checkpoints/8 is damaged .*give --checkpoint=6"):
        loop.train(config, workdir, make_mesh(1))
    (workdir / "checkpoints/best.json").write_text('{"step": 8, "metric": "val/mIoU", "value": 1}')
    loop.train(config, workdir, make_mesh(1), checkpoint=6)
    assert not (workdir / "checkpoints/best.json").exists()  # that step 8 was set aside
    assert losses(workdir) == losses(whole)
    tolerance.assert_same(final_params(workdir), final_params(whole))
    assert [path.name for path in (workdir / "checkpoints_set_aside").iterdir()] == ["8"]
