"""A training whose work directory lies in a bucket: it starts, resumes, is evaluated and opened there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hclip_jax.errors import UserError
from hclip_jax.io.files import write_atomically, write_png
from hclip_jax.io.lock import locked
from hclip_jax.io.paths import as_address
from hclip_jax.load import open_model
from hclip_jax.main import main
from hclip_jax.tools import evaluate
from hclip_jax.tools.command_line import run
from hclip_jax.training.best import forget_gone
from hclip_jax.training.checkpoints import TrainCheckpoints, restore
from hclip_jax.training.choose import COMMITTED, choose_checkpoint, list_steps, set_newer_aside
from hclip_jax.training.inputs import Inputs, read_inputs, write_inputs
from hclip_jax.training.metrics import MetricsFile
from hclip_jax.training.workdir import (
    check_workdir,
    claim_workdir,
    is_workdir,
    parse_workdir,
    read_config_json,
    read_trained_class_names,
    write_trained_class_names,
)
from tests.bucket import bucket
from tests.small_checkpoints import kernel, like, save, state
from tests.small_models import micro

RUN = "gs://bucket/run"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that is the bucket; another one is the current one."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with bucket(tmp_path / "bucket"):
        yield tmp_path / "bucket"
    assert not list((tmp_path / "here").iterdir())  # such as a folder named gs:


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def metrics(store: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (store / "run/metrics.jsonl").read_text().splitlines()]


def losses(lines: list[dict[str, Any]]) -> list[float]:
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.slow
def test_a_training(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "micro.py"
    config.write_text("from tests.small_models import micro_dict as get_config\n")
    command = [f"--config={config}", f"--workdir={RUN}"]
    assert run(main, command) == 0, capsys.readouterr().err
    first = metrics(store)
    assert [line["step"] for line in first] == [0, 1, 2, 3, 4, 4]
    assert list_steps(as_address(RUN)) == [2, 4]

    assert run(main, [*command, "--checkpoint=2"]) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert f"newer checkpoints (4) are moved to {RUN}/checkpoints_set_aside" in " ".join(out.split())
    assert "resuming after step 2 of 4" in out
    second = metrics(store)
    assert second[:3] == first[:3]
    assert losses(second) == losses(first)  # bit for bit
    aside = names(store / "run/checkpoints_set_aside/4")
    assert {COMMITTED, "checksums.sha256", "state/manifest.ocdbt"} <= aside
    assert list_steps(as_address(RUN)) == [2, 4]

    assert run(evaluate.main, [RUN]) == 0, capsys.readouterr().err
    written = names(store / "run")
    top = {"config.json", "classes.txt", "inputs.json", "metrics.jsonl", "evaluation/val.json"}
    assert top | {"evaluation/val.csv", "evaluation/val.md"} <= written
    assert any(name.startswith("overlays/val/") for name in written)
    assert "lock" not in written
    assert not any(name.endswith(".tmp") for name in written)
    assert set(open_model(RUN).parts) == {"clip", "adapters", "head"}


def test_the_files_of_a_work_directory(store: Path) -> None:
    workdir, config = parse_workdir(RUN), micro()
    assert not is_workdir(workdir)
    with locked(workdir, "trains", "--workdir"):
        claim_workdir(workdir, config)
    write_trained_class_names(workdir, ("cat", "dog"))
    write_inputs(workdir, Inputs("f", "c", 3, "d"))
    file = MetricsFile(workdir / "metrics.jsonl", 0)
    for step in (1, 2, 3):
        file.write(step, loss=0.5)
    assert [line["step"] for line in metrics(store)] == [1, 2, 3]
    with (store / "run/metrics.jsonl").open("a") as other:
        other.write('{"step"')  # another program was killed
    MetricsFile(workdir / "metrics.jsonl", 2).write(3, loss=0.25)
    assert losses(metrics(store)) == [0.5, 0.5, 0.25]
    assert is_workdir(workdir)
    assert read_trained_class_names(workdir) == ("cat", "dog")
    assert read_inputs(workdir) == Inputs("f", "c", 3, "d")
    assert read_config_json(workdir) == config
    check_workdir(workdir, config)
    with pytest.raises(UserError, match="gs://bucket/run holds a training of another configuration"):
        check_workdir(workdir, micro(learning_rate=0.5))
    write_atomically(workdir / "evaluation" / "val.json", "{}")
    write_png(workdir / "overlays" / "val" / "a.png", Image.new("RGB", (4, 4)))
    expected = {"config.json", "classes.txt", "inputs.json", "metrics.jsonl"}
    assert names(store / "run") == expected | {"overlays/val/a.png", "evaluation/val.json"}


def test_checkpoints_count_when_they_are_complete(store: Path) -> None:
    workdir = as_address(RUN)
    save(workdir, 2, 4)
    (store / "run/checkpoints/4" / COMMITTED).unlink()  # killed before it was written
    assert list_steps(workdir) == [2]
    save(workdir, 6)
    assert not (store / "run/checkpoints/4").exists()
    chosen = choose_checkpoint(workdir, 2)
    assert chosen is not None
    assert kernel(restore(workdir, chosen, like())[0]) == 2
    set_newer_aside(workdir, chosen)
    assert list_steps(workdir) == [2]
    assert COMMITTED in names(store / "run/checkpoints_set_aside/6")


def test_the_best_checkpoint_is_kept(store: Path) -> None:
    workdir = as_address(RUN)
    with TrainCheckpoints(workdir, 1, "val/mIoU") as checkpoints:
        for step, figure in ((2, 1.0), (4, 3.0), (6, 2.0), (8, 2.0)):
            checkpoints.save(step, state(step), {"batches": step})
            evaluation = {"val": {"mIoU": figure}}
            checkpoints.keep_if_best(step, evaluation, state(step), {"batches": step})
    assert list_steps(workdir) == [4, 8]
    chosen = choose_checkpoint(workdir, "best")
    assert chosen is not None
    assert chosen.step == 4
    (store / "run/checkpoints/4" / COMMITTED).unlink()
    forget_gone(workdir / "checkpoints", list_steps(workdir))
    assert "checkpoints/best.json" not in names(store / "run")


def test_damage_is_found(store: Path) -> None:
    save(as_address(RUN), 2)
    (store / "run/checkpoints/2/state/manifest.ocdbt").write_bytes(b"x")
    with pytest.raises(UserError, match=r"gs://bucket/run/checkpoints/2 is damaged \(state/manifest"):
        choose_checkpoint(as_address(RUN))
