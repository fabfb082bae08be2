"""The suite of a configuration: in the evaluations of a training, and with `hclip evaluate DIR`."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.config.schema import Config
from hclip_jax.config.validate import from_config_dict
from hclip_jax.data.data_folder import VARIABLE
from hclip_jax.errors import UserError
from hclip_jax.evaluation.evaluate import Evaluator
from hclip_jax.inference.output import Prediction
from hclip_jax.io.lock import locked
from hclip_jax.io.progress import bar
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import make_mesh
from hclip_jax.training.evaluate import evaluate_checkpoint
from tests import prepared_sets
from tests.small_models import micro_dict
from tests.trained import train


class FirstClass:
    """In place of a `Predictor`."""

    def __init__(self, *arguments: object) -> None:
        pass

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return image

    def segment_prepared(
        self, images: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]
    ) -> list[Prediction]:
        return [Prediction(np.zeros(size, np.int32), np.ones(size, np.float32)) for size in sizes]


@pytest.fixture(autouse=True)
def first_class(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("evaluate", "cells"):
        monkeypatch.setattr(f"hclip_jax.evaluation.{module}.Predictor", FirstClass)
    monkeypatch.setenv(VARIABLE, str(prepared_sets.data()))


def config(folder: Path) -> Config:
    """Two sets of a suite, one of which is the training data, and one that is missing."""
    path = folder / "two.json"
    sets = [{"name": "pascal_voc_20"}, {"name": "pascal_voc_20b"}, {"name": "lost"}]
    path.write_text(json.dumps({"sets": sets}))
    c = micro_dict()
    c.data.update(root="tfds:pascal_voc_20", label_set="")
    c.evaluation.suite = str(path)
    return from_config_dict(c)


def make_evaluator(c: Config, workdir: Path) -> Evaluator:
    model = Model(c.architecture)
    return Evaluator(model, c.evaluation, c.protocol, c.data, make_mesh(1), workdir)


def test_a_training_evaluates_the_sets_of_its_suite_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluator = make_evaluator(config(tmp_path), tmp_path / "run")
    line = f"suite two without lost: not found in {VARIABLE}={prepared_sets.data()}\n"
    assert capsys.readouterr().out == line
    with bar() as progress:
        summaries = evaluator.run({}, (), 0, progress)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": mIoU ")[0] for line in lines[:2]] == ["step 0  val", "step 0  pascal_voc_20b"]
    assert list(summaries) == ["val", "pascal_voc_20b"]  # val is pascal_voc_20
    report = json.loads((tmp_path / "run/evaluation/pascal_voc_20b.json").read_text())
    assert (report["num_classes"], report["details"]["fold_background"]) == (21, 20)


def test_a_training_without_the_sets_names_them_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    c = micro_dict()
    c.evaluation.suite = "paper"
    make_evaluator(from_config_dict(c), tmp_path / "run")
    out = capsys.readouterr().out
    assert out.startswith("suite paper without ade20k_847, ")
    assert out.endswith(f"coco_stuff_171: {VARIABLE} is not set\n")


def test_the_evaluation_of_a_work_directory_makes_the_table(tmp_path: Path) -> None:
    c = config(tmp_path)
    workdir = train(tmp_path / "run", c)
    evaluate_checkpoint(c, workdir, make_mesh(1))
    rows = json.loads((workdir / "evaluation/two/table.json").read_text())["rows"]
    assert [row["mIoU"] is None for row in rows] == [False, False, True]
    val = json.loads((workdir / "evaluation/val.json").read_text())
    assert rows[0]["mIoU"] == val["summary"]["mIoU"]


def test_two_evaluations_of_a_suite_do_not_write_to_one_folder(tmp_path: Path) -> None:
    c = config(tmp_path)
    workdir = train(tmp_path / "run", c)
    with (
        locked(workdir / "evaluation/two", "evaluates", "--output"),
        pytest.raises(UserError, match=r"another process evaluates in .*two; wait for its end"),
    ):
        evaluate_checkpoint(c, workdir, make_mesh(1))
