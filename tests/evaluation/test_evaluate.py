"""Evaluation sets with class names of their own."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.config.validate import from_config_dict
from hclip_jax.evaluation.evaluate import Evaluator
from hclip_jax.inference.predictor import Prediction
from hclip_jax.io.progress import bar
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import make_mesh
from tests.labelled_folder import NAMES, make_folder, relabel
from tests.small_models import micro_dict


class AlwaysTheFirstClass:
    """In place of a `Predictor`."""

    def __init__(self, *arguments: object) -> None:
        pass

    def segment(self, images: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[Prediction]:
        return [Prediction(np.zeros(size, np.int32), np.ones(size, np.float32)) for size in sizes]


def test_a_class_is_seen_if_clip_reads_it_as_one_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hclip_jax.evaluation.evaluate.Predictor", AlwaysTheFirstClass)
    make_folder(tmp_path / "set")
    (tmp_path / "set" / "classes.txt").write_text("Cat, kitten\ntraffic  light\nsky\n")
    c = micro_dict()
    c.evaluation.sets.val.update(root=str(tmp_path / "set"), split="val", label_set="")
    c.evaluation.num_images = 1
    config, mesh = from_config_dict(c), make_mesh(1)
    model = Model(config.architecture)
    evaluator = Evaluator(model, config.evaluation, config.protocol, config.data, mesh, tmp_path / "run")
    with bar() as progress:
        summaries = evaluator.run({}, ("cat", "traffic light", "sea"), 0, progress)
    report = json.loads((tmp_path / "run/evaluation/val.json").read_text())
    iou = [row["IoU"] for row in report["per_class"]]
    assert summaries["val"]["mIoU_seen"] == pytest.approx((iou[0] + iou[1]) / 2)
    assert summaries["val"]["mIoU_unseen"] == pytest.approx(iou[2])


@pytest.mark.parametrize(
    ("truth", "shows"), [([-1, -1], "no class"), ([1, -1], "'traffic light' alone"), ([0, 1], "")]
)
def test_a_truth_of_fewer_than_two_classes_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    truth: list[int],
    shows: str,
) -> None:
    monkeypatch.setattr("hclip_jax.evaluation.evaluate.Predictor", AlwaysTheFirstClass)
    make_folder(tmp_path / "set")
    for name in NAMES:
        relabel(tmp_path / "set", name, lambda ids: np.resize(np.array(truth) % 256, ids.shape))
    c = micro_dict()
    c.evaluation.sets.val.update(root=str(tmp_path / "set"), split="val", label_set="")
    config = from_config_dict(c)
    model = Model(config.architecture)
    evaluator = Evaluator(
        model, config.evaluation, config.protocol, config.data, make_mesh(1), tmp_path / "run"
    )
    with bar() as progress:
        evaluator.run({}, (), 0, progress)
    line = f"warning: the ground truth of val shows {shows}, so its metrics say nothing\n"
    assert capsys.readouterr().out == (line if shows else "")
