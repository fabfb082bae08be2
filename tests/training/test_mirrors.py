"""TensorBoard and Weights & Biases get what metrics.jsonl gets; those that are not installed skip here."""

import importlib.util
import json
import math
import struct
import sys
import time
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hclip_jax.config.schema import Config
from hclip_jax.errors import UserError
from hclip_jax.training import loop, mirrors
from hclip_jax.training.metrics import MetricsFile, read_metrics
from hclip_jax.training.mirrors import Mirrors, check_installed, figures
from tests.small_models import micro


def run(config: Config, workdir: Path, first: int, last: int) -> None:
    """Steps of a training, as the loop writes them."""
    path = workdir / "metrics.jsonl"
    workdir.mkdir(exist_ok=True)
    metrics_file = MetricsFile(path, first)
    with Mirrors(config, workdir, read_metrics(path)) as opened:
        metrics_file.follow(opened.write)
        metrics_file.write(first, start={"devices": 1})
        for step in range(first + 1, last + 1):
            metrics_file.write(step, loss=1 / step, seconds_left=None, time=1e9 + step)
            metrics_file.write(step, evaluation={"val": {"mIoU": 10.0 * step, "hIoU": None}})


def expected(workdir: Path) -> dict[str, list[tuple[int, Any]]]:
    points: dict[str, list[tuple[int, Any]]] = {}
    for record in read_metrics(workdir / "metrics.jsonl"):
        for name, value in figures(record).items():
            points.setdefault(name, []).append((record["step"], pytest.approx(value, rel=1e-6)))
    return points


def stored(content: bytes) -> Iterator[bytes]:
    """The records of a file of W&B, a log of LevelDB after a header of 7 bytes."""
    position, block, whole = 7, 2**15, b""
    while position + 7 <= len(content):
        if (left := block - position % block) < 7:
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        whole += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


def history(path: Path) -> list[dict[str, Any]]:
    """The rows of a run; W&B writes the end of the file milliseconds after it says that it is finished."""
    from wandb.proto.wandb_internal_pb2 import Record

    deadline = time.monotonic() + 20
    while True:
        records = [Record.FromString(data) for data in stored(path.read_bytes())]
        if any(record.HasField("exit") for record in records):
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    rows = [record.history.item for record in records if record.HasField("history")]
    return [{i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in row} for row in rows]


def test_figures_are_the_numbers_of_a_record() -> None:
    record = {"step": 3, "time": 1e9, "loss": 0.5, "memory": 7, "seconds_left": None, "note": "x", "on": True}
    assert figures(record) == {"loss": 0.5, "memory": 7.0}
    evaluation = {"val": {"mIoU": 1.0, "hIoU": None}, "open": {"mIoU": 2.0}}
    record = {"step": 3, "evaluation": evaluation}
    assert figures(record) == {"evaluation/val/mIoU": 1.0, "evaluation/open/mIoU": 2.0}
    assert figures({"step": 0, "start": {"devices": 1}}) == {}


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_what_is_not_installed_is_named_with_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    message = rf"log_to names {name}, which is not installed; run pip install 'hclip_jax\[{name}\]'"
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == name else find_spec(n))
    with pytest.raises(UserError, match=message):
        loop.train(micro(log_to=(name,)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    check_installed(())


def test_a_folder_of_that_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_folder").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="a_folder, which is not installed"):
        check_installed(("a_folder",))


def test_one_that_fails_is_left_out_and_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing:
        def __init__(self, *_: Any) -> None: ...
        def write(self, record: Mapping[str, Any]) -> None:
            raise OSError("No space left on device")

        def close(self) -> None: ...

    monkeypatch.setattr(mirrors, "TensorBoard", Failing)
    monkeypatch.setattr(mirrors, "check_installed", lambda _: None)
    run(micro(log_to=("tensorboard",)), tmp_path, 0, 3)
    warning = "warning: tensorboard gets no more figures (No space left on device)"
    assert " ".join(capsys.readouterr().out.split()) == warning
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 7


def test_event_files_that_cannot_be_written_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = types.ModuleType("event_file_writer")
    writer.EventFileWriter = lambda folder: None  # type: ignore[attr-defined]
    for name in ("tensorboard", "tensorboard.summary", "tensorboard.summary.writer"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", writer)
    monkeypatch.setattr(mirrors, "check_installed", lambda _: None)
    (tmp_path / "tensorboard").write_text("a file")
    with pytest.raises(
        UserError, match=r"cannot be written to .*tensorboard \(.*File exists.*leave tensorboard out"
    ):
        Mirrors(micro(log_to=("tensorboard",)), tmp_path, [])


def test_tensorboard_reads_what_metrics_jsonl_has_also_after_a_resume(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs pip install 'hclip_jax[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = micro(log_to=("tensorboard",))
    run(config, tmp_path, 0, 4)
    run(config, tmp_path, 2, 5)  # from an older checkpoint
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    found = {tag: [(e.step, e.value) for e in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
    assert found == expected(tmp_path)
    assert [step for step, _ in found["loss"]] == [1, 2, 3, 4, 5]
    assert [event.wall_time for event in read.Scalars("loss")][:2] == [1e9 + 1, 1e9 + 2]


def test_weights_and_biases_offline_leaves_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="needs pip install 'hclip_jax[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    workdir = tmp_path / "run"
    run(micro(log_to=("wandb",)), workdir, 0, 2)
    run(micro(log_to=("wandb",)), workdir, 2, 3)
    files = sorted((workdir / "wandb").glob("offline-run-*/*.wandb"))
    name = (workdir / "wandb/id").read_text().strip()
    assert [path.name for path in files] == [f"run-{name}.wandb"] * 2
    rows = [row for path in files for row in history(path)]
    losses = {row["_step"]: row["loss"] for row in rows if "loss" in row}
    assert losses == pytest.approx({1: 1.0, 2: 0.5, 3: 1 / 3})
    figure = "evaluation/val/mIoU"
    assert max(row.get(figure, -math.inf) for row in rows) == 30.0
