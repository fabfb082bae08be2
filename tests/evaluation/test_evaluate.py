"""Evaluation sets with class names of their own."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from hclip_jax.config.validate import from_config_dict
from hclip_jax.data.folder import FolderSource
from hclip_jax.errors import UserError
from hclip_jax.evaluation.bootstrap import miou, miou_interval
from hclip_jax.evaluation.evaluate import Evaluator, Summary
from hclip_jax.evaluation.image_counts import read_counts
from hclip_jax.inference.predictor import Prediction
from hclip_jax.io.progress import bar
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import make_mesh
from tests.data.coco_set import instances, write
from tests.labelled_folder import NAMES, make_folder, relabel
from tests.small_models import micro_dict


class AlwaysTheFirstClass:
    """In place of a `Predictor`."""

    def __init__(self, *arguments: object) -> None:
        pass

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return image

    def segment_prepared(
        self, images: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]
    ) -> list[Prediction]:
        return [Prediction(np.zeros(size, np.int32), np.ones(size, np.float32)) for size in sizes]


def config_of(root: Path, **fields: object) -> ConfigDict:
    """The micro model, evaluated on the whole split "val" of a labelled folder."""
    c = micro_dict()
    c.evaluation.sets.val.update(root=str(root), split="val", label_set="", **fields)
    c.evaluation.num_images = 0
    return c


def evaluate(c: ConfigDict, workdir: Path, seen: Sequence[str] = ()) -> tuple[Summary, dict]:
    """The summary, and the content of val.json."""
    config = from_config_dict(c)
    model = Model(config.architecture)
    evaluator = Evaluator(model, config.evaluation, config.protocol, config.data, make_mesh(1), workdir)
    with bar() as progress:
        summaries = evaluator.run({}, seen, 0, progress)
    return summaries["val"], json.loads((workdir / "evaluation/val.json").read_text())


def test_a_class_is_seen_if_clip_reads_it_as_one_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hclip_jax.evaluation.evaluate.Predictor", AlwaysTheFirstClass)
    make_folder(tmp_path / "set")
    (tmp_path / "set" / "classes.txt").write_text("Cat, kitten\ntraffic  light\nsky\n")
    seen = ("cat", "traffic light", "sea")
    summary, report = evaluate(config_of(tmp_path / "set"), tmp_path / "run", seen)
    iou = [row["IoU"] for row in report["per_class"]]
    assert summary["mIoU_seen"] == pytest.approx((iou[0] + iou[1]) / 2)
    assert summary["mIoU_unseen"] == pytest.approx(iou[2])


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
    evaluate(config_of(tmp_path / "set"), tmp_path / "run")
    line = f"warning: the ground truth of val shows {shows}, so its metrics say nothing\n"
    warnings = [out for out in capsys.readouterr().out.splitlines(True) if out.startswith("warning")]
    assert warnings == ([line] if shows else [])


def test_counts_of_every_image_are_stored_in_the_order_of_the_set_with_the_background_folded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AlwaysTheLastClass(AlwaysTheFirstClass):
        def segment_prepared(
            self, images: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]
        ) -> list[Prediction]:
            return [Prediction(np.full(size, 2, np.int32), np.ones(size, np.float32)) for size in sizes]

    monkeypatch.setattr("hclip_jax.evaluation.evaluate.Predictor", AlwaysTheLastClass)
    make_folder(tmp_path / "set")
    for number, name in enumerate(NAMES):
        relabel(
            tmp_path / "set",
            name,
            lambda ids, n=number: np.where(np.arange(ids.size).reshape(ids.shape) <= n, 1, 0),
        )
    summary, report = evaluate(config_of(tmp_path / "set", fold_background=1), tmp_path / "run")
    counts = read_counts(tmp_path / "run/evaluation/val.npz")
    source = FolderSource(tmp_path / "set", "val")
    assert counts.class_names == (source.class_names[0], "background")
    assert counts.image_names == tuple(source[i]["name"] for i in range(len(source)))
    assert counts.truth[:, 1].tolist() == [(source[i]["label"] == 1).sum() for i in range(len(source))]
    assert counts.prediction[:, 1].tolist() == [source[i]["label"].size for i in range(len(source))]
    assert (counts.intersection == np.minimum(counts.truth, counts.prediction)).all()
    assert miou(counts) == pytest.approx(summary["mIoU"])
    assert report["mIoU_interval"] == pytest.approx(miou_interval(counts))


def test_a_smaller_last_batch_is_filled_up_and_sets_with_the_same_names_share_their_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, batches = list[object](), list[int]()

    class Recording(AlwaysTheFirstClass):
        def __init__(self, *arguments: object) -> None:
            made.append(self)

        def prepare(self, image: np.ndarray) -> np.ndarray:
            return image[None]

        def segment_prepared(
            self, images: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]
        ) -> list[Prediction]:
            assert all(image.ndim == 4 for image in images)
            batches.append(len(images))
            return super().segment_prepared(images, sizes)

    monkeypatch.setattr("hclip_jax.evaluation.evaluate.Predictor", Recording)
    make_folder(tmp_path / "set")
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    c = config_of(tmp_path / "set")
    c.evaluation.batch_size = 3
    c.evaluation.sets.same = c.evaluation.sets.val.copy_and_resolve_references()
    c.evaluation.sets.other = c.evaluation.sets.val.copy_and_resolve_references()
    c.evaluation.sets.other.classes_file = str(tmp_path / "names.txt")
    evaluate(c, tmp_path / "run")
    assert batches == [3, 3] * 3
    assert len(made) == 2
    source = FolderSource(tmp_path / "set", "val")
    for name in ("val", "same", "other"):
        counts = read_counts(tmp_path / f"run/evaluation/{name}.npz")
        assert counts.image_names == tuple(source[i]["name"] for i in range(4))


def test_class_names_that_clip_reads_as_the_same_words_are_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hclip_jax.evaluation.evaluate.Predictor", AlwaysTheFirstClass)
    make_folder(tmp_path / "set")
    (tmp_path / "set" / "classes.txt").write_text("cat, kitten\nCat\nsky\n")
    c = config_of(tmp_path / "set")
    c.prompts.synonyms = "first"
    with pytest.warns(match="'cat, kitten' = 'Cat'"):
        _, report = evaluate(c, tmp_path / "run")
    assert report["same_names"] == [["cat, kitten", "Cat"]]
    assert "- cat, kitten = Cat\n" in (tmp_path / "run/evaluation/val.md").read_text()


@pytest.mark.parametrize("own_root", [False, True])
def test_sets_of_the_training_folder_ignore_its_ids(
    own_root: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hclip_jax.evaluation.evaluate.Predictor", AlwaysTheFirstClass)
    make_folder(tmp_path / "set")
    c = config_of(tmp_path / "set" if own_root else Path())
    c.evaluation.sets.val.root = str(tmp_path / "set") if own_root else ""
    c.data.update(root=str(tmp_path / "set"), label_set="", ignore=(1,))
    _, report = evaluate(c, tmp_path / "run")
    assert (report["per_class"][1]["IoU"] is None) is not own_root


def test_sets_have_the_layout_of_the_training_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hclip_jax.evaluation.evaluate.Predictor", AlwaysTheFirstClass)
    content = instances()
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        write(tmp_path / split, content, "labels.json")
        content["categories"].reverse()
    c = config_of(Path())
    c.evaluation.sets.val.root = c.data.label_set = ""
    c.data.update(root=str(tmp_path), images="{split}/images", labels="{split}/labels.json")
    _, report = evaluate(c, tmp_path / "run")
    assert [row["name"] for row in report["per_class"]] == ["grass", "sky", "cat"]
    c.data.labels, c.data.images = "val/labels.json", "val/images"
    with pytest.raises(UserError, match=r"sets\.val has the split 'val', but the same images and labels as"):
        evaluate(c, tmp_path / "run")
    c.evaluation.sets.val.update(labels="train/labels.json", images="train/images", ignore=(1, 2))
    _, report = evaluate(c, tmp_path / "run")
    assert [row["name"] for row in report["per_class"]] == ["cat", "sky", "grass"]
    assert [row["ground_truth"] > 0 for row in report["per_class"]] == [True, False, False]
