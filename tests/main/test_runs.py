"""The files that `hclip train` and `hclip evaluate` leave, and resuming."""

import json
import shutil
from pathlib import Path

import grain
import numpy as np
import pytest
from PIL import Image

from hclip_jax.config.build import to_dict
from hclip_jax.data.scenes.source import ScenesSource
from hclip_jax.evaluation.confusion_matrix import METRICS
from hclip_jax.load import open_model
from hclip_jax.main import main
from hclip_jax.tools import evaluate
from hclip_jax.tools.command_line import run
from tests.main.conftest import NUM_TRAIN_IMAGES
from tests.small_models import micro


@pytest.fixture(scope="module")
def trained(config_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work directory of a finished training of four steps with an evaluation after the last."""
    workdir = tmp_path_factory.mktemp("runs") / "micro"
    assert run(main, command(config_file, workdir)) == 0
    return workdir


def command(config_file: Path, workdir: Path) -> list[str]:
    overrides = ("train.trainable=('head',)", "train.evaluate_every=4", "evaluation.num_images=2")
    return [
        f"--config={config_file}",
        f"--workdir={workdir}",
        *(f"--config.{override}" for override in overrides),
    ]


def metrics(workdir: Path) -> list[dict]:
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if not {"start", "end"} & line.keys()]


def contents(workdir: Path) -> dict[str, bytes]:
    files = (path for path in workdir.rglob("*") if path.is_file())
    return {str(path.relative_to(workdir)): path.read_bytes() for path in files}


def test_training_writes_the_work_directory(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} == {
        "config.json",
        "classes.txt",
        "inputs.json",
        "lock",
        "metrics.jsonl",
        "report.html",
        "checkpoints",
        "evaluation",
        "overlays",
    }
    expected = to_dict(micro(evaluate_every=4, trainable=("head",)))
    expected["evaluation"]["num_images"] = 2
    assert json.loads((trained / "config.json").read_text()) == expected
    assert {path.name for path in (trained / "checkpoints").iterdir()} == {"2", "4", "best.json"}

    logged = metrics(trained)
    assert [line["step"] for line in logged] == [1, 2, 3, 4, 4]
    assert all(np.isfinite(line["loss"]) for line in logged[:4])
    assert set(logged[4]["evaluation"]["val"]) == set(METRICS)

    reports = trained / "evaluation"
    assert {path.name for path in reports.iterdir()} == {
        f"val.{kind}" for kind in ("json", "csv", "md", "npz")
    }
    report = json.loads((reports / "val.json").read_text())
    assert report["summary"] == logged[4]["evaluation"]["val"]
    assert (report["details"]["step"], report["details"]["images"]) == (4, 2)
    classes = ScenesSource("val", "shapes").class_names
    assert [row["name"] for row in report["per_class"]] == list(classes)
    assert len((reports / "val.csv").read_text().splitlines()) == 1 + len(classes)
    (overlay,) = (trained / "overlays" / "val").iterdir()
    assert overlay.name == "val_00000.png"
    with Image.open(overlay) as image:
        image.load()


def test_its_model_can_be_opened(trained: Path) -> None:
    model = open_model(trained)
    assert model.source == "training micro, step 4, CLIP from random"
    assert model.parts == ("clip", "adapters", "head")
    assert model.require_spec().class_names == ScenesSource("train", "shapes").class_names


def test_finished_training_is_not_trained_again(
    trained: Path, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(trained)
    assert run(main, command(config_file, trained)) == 0
    assert "resuming after step 4 of 4" in capsys.readouterr().out
    after = contents(trained)
    assert after.keys() == before.keys()
    same = {name for name in after if after[name] == before[name]}
    assert after.keys() - same <= {"metrics.jsonl", "report.html"}
    assert [line["step"] for line in metrics(trained) if "loss" in line] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["main", "evaluate"])
def test_newest_checkpoint_is_evaluated(
    name: str, trained: Path, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(trained)
    override = "--config.evaluation.num_images=1"
    if name == "main":
        assert run(main, [*command(config_file, trained), "--mode=evaluate", override]) == 0
    else:
        assert run(evaluate.main, [str(trained), override]) == 0
    assert "step 4  val: mIoU" in capsys.readouterr().out
    report = json.loads((trained / "evaluation" / "val.json").read_text())
    assert (report["details"]["step"], report["details"]["images"]) == (4, 1)
    after = contents(trained)
    assert after.keys() == before.keys()
    changed = {name for name in after if after[name] != before[name]}
    reports = {f"evaluation/val.{kind}" for kind in ("json", "csv", "md", "npz")}
    assert changed <= {*reports, "report.html"}


def test_a_training_is_resumed_and_made_longer_without_its_configuration(
    trained: Path, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, workdir)
    assert run(main, [str(workdir)]) == 0
    assert "resuming after step 4 of 4" in capsys.readouterr().out
    changes = ("train.num_train_steps=5", "train.evaluate_every=3", "evaluation.num_images=1")
    assert run(main, [str(workdir), *(f"--config.{change}" for change in changes)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "train.num_train_steps was 4 and is 5: from here on the learning rate follows the schedule of 5"
        in out
    )
    assert "(0.000955 now, instead of 0), so the result is not that of 5 steps from the start" in out
    lines = metrics(workdir)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 4, 5, 5]
    assert ["evaluation" in line for line in lines] == [False] * 4 + [True, False, True]  # the old one stays
    assert json.loads((workdir / "config.json").read_text())["train"]["num_train_steps"] == 5
    assert run(main, [str(workdir), "--config.train.num_train_steps=3"]) == 2
    assert "train.num_train_steps may only grow" in capsys.readouterr().err


def test_bad_label_during_training_leaves_complete_checkpoints(
    folder: Path, workdir: Path, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = list(grain.MapDataset.range(NUM_TRAIN_IMAGES).seed(0).shuffle())[-1]  # in the second batch
    label = folder / f"labels/train/p{last:02d}.png"
    with Image.open(label) as image:
        size = image.size
    Image.new("L", size, 99).save(label)

    overrides = (
        f"--config.data.root={folder}",
        "--config.data.label_set=",
        "--config.train.checkpoint_every=1",
        "--config.train.evaluate_every=0",
    )
    assert run(main, [*command(config_file, workdir), *overrides]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {label} holds the class id 99, but with ")
    assert err.count("\n") == 1
    assert [path.name for path in (workdir / "checkpoints").iterdir()] == ["1"]
    assert [line["step"] for line in metrics(workdir)] == [1]
