"""A model on all sets of the paper's suite: figures, resuming, and the comparison with another model."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from hclip_jax.data.sources import open_source
from hclip_jax.evaluation import cells
from hclip_jax.evaluation.evaluate_set import Settings
from hclip_jax.evaluation.image_counts import read_counts, write_counts
from hclip_jax.evaluation.run_suite import make_subject, run_suite
from hclip_jax.evaluation.suite import Suite, read_suite
from hclip_jax.evaluation.suite_sets import open_sets
from hclip_jax.inference.output import Prediction
from hclip_jax.io.files import check_writable
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import make_mesh
from hclip_jax.text.prompts import Prompts
from tests import prepared_sets
from tests.bucket import bucket
from tests.small_models import micro

PAPER = read_suite("paper")
SMALL = PAPER.only(["pascal_voc_20", "pascal_voc_20b"])


def predict(image: np.ndarray, num_classes: int) -> np.ndarray:
    """A class id of each pixel from its colour."""
    return (image.astype(np.int64) @ [1, 7, 31] // 3 % num_classes).astype(np.int32)


class ByColour:
    """In place of a `Predictor`; counts the sets that it is made for."""

    made = 0

    def __init__(self, model: object, params: object, prompts: Prompts, *arguments: object) -> None:
        ByColour.made += 1
        self._num_classes = prompts.num_classes

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return image

    def segment_prepared(
        self, images: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]
    ) -> list[Prediction]:
        ids = [predict(image, self._num_classes) for image, _ in zip(images, sizes, strict=False)]
        return [Prediction(x, np.ones(x.shape, np.float32)) for x in ids]


@pytest.fixture(autouse=True)
def by_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "Predictor", ByColour)
    ByColour.made = 0


@cache
def merged_shapes(model: Model) -> Any:
    """Shapes of the parameters of a model without adapters."""
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    return {part: shapes[part] for part in ("clip", "head")}


def run(
    suite: Suite, output: Path, *, scale: float = 1.0, against: Path | None = None, **changes: Any
) -> bool:
    config = micro()
    model = Model(config.architecture)
    tree = jax.tree.map(lambda x: np.full(x.shape, scale, np.float32), merged_shapes(model))
    protocol = replace(config.protocol, **changes)
    subject = make_subject(model, tree, protocol, make_mesh(1), 1, "micro")
    settings = Settings(
        seen=("person",), synonyms="first", batch_size=1, num_workers=0, num_overlays=1, reports=output,
        overlays=output / "overlays",
    )  # fmt: skip
    return run_suite(suite, open_sets(suite, str(prepared_sets.data())), subject, settings, against)


def independent_figures(name: str) -> tuple[float, float, int]:
    """mIoU, mIoU_all and the number of classes, with labels of the published scripts, class by class."""
    source = open_source(str(prepared_sets.data() / name), "val")
    truths, predictions = [], []
    for index in range(len(source)):
        example = source[index]
        label = prepared_sets.official_labels()[f"{name}/val/{example['name']}"]
        ids = predict(example["image"], len(source.class_names)).astype(np.int64)
        ids = np.where(ids >= 20, 20, ids) if name == "pascal_voc_20b" else ids
        labelled = label != np.iinfo(label.dtype).max
        truths.append(label[labelled].astype(np.int64))
        predictions.append(ids[labelled])
    truth, predicted = np.concatenate(truths), np.concatenate(predictions)
    iou, iou_all = [], []
    for t in range(len(source.class_names)):
        union = ((truth == t) | (predicted == t)).sum()
        if union:
            iou_all.append(((truth == t) & (predicted == t)).sum() / union)
            iou += [iou_all[-1]] * bool((truth == t).any())
    return 100 * float(np.mean(iou)), 100 * float(np.mean(iou_all)), len(iou)


def test_the_table_is_right_on_all_sets_of_the_paper(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(PAPER, tmp_path)
    tree = json.loads((tmp_path / "table.json").read_text())
    assert [row["name"] for row in tree["rows"]] == [entry.name for entry in PAPER.sets]
    for row in tree["rows"]:
        miou, miou_all, num_present = independent_figures(row["name"])
        assert row["mIoU"] == pytest.approx(miou, rel=1e-9), row["name"]
        assert row["mIoU_all"] == pytest.approx(miou_all, rel=1e-9), row["name"]
        assert row["num_present_classes"] == num_present
        assert row["mIoU_interval"][0] <= row["mIoU"] <= row["mIoU_interval"][1]
        assert row["seconds"] >= 0
        assert row["images"].endswith("(partial)")
        for kind in ("json", "csv", "md", "npz", "log"):
            assert (tmp_path / f"{row['name']}.{kind}").stat().st_size
        assert len(list((tmp_path / "overlays" / row["name"]).iterdir())) == 1
    out = capsys.readouterr().out
    assert (tmp_path / "table.md").read_text() in out
    log = (tmp_path / "ade20k_847.log").read_text()
    for part in (
        "started, hclip_jax",
        f"model: {tree['model']['fingerprint']}",
        "num_images: 3",
        "finished in",
    ):
        assert part in log


def test_what_is_done_is_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(SMALL, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    table = (tmp_path / "table.json").read_text()
    assert (ByColour.made, len(before)) == (2, 2)
    first = capsys.readouterr().out
    assert first.index("pascal_voc_20: mIoU ") < first.index("# Suite")  # a line when the set is done
    assert run(SMALL, tmp_path)
    assert ByColour.made == 2
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (tmp_path / "table.json").read_text() == table
    assert "pascal_voc_20: evaluated already" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["model", "protocol", "data", "classes", "damage", "unfinished"])
def test_what_has_changed_is_run_again(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = PAPER.only(["pascal_voc_20"])
    run(suite, tmp_path)
    changes: dict[str, Any] = {}
    if change == "model":
        changes = {"scale": 2.0}
    elif change == "protocol":
        changes = {"kind": "single"}
    elif change == "data":
        monkeypatch.setattr("hclip_jax.data.tfds.TfdsSource.digest", lambda self: "other data")
    elif change == "classes":
        names = open_source(str(prepared_sets.data() / "pascal_voc_20"), "val").class_names
        (tmp_path / "names.txt").write_text("\n".join([*names[:-1], "screen"]))
        suite = replace(suite, sets=(replace(suite.sets[0], classes_file=str(tmp_path / "names.txt")),))
    elif change == "damage":
        content = (tmp_path / "pascal_voc_20.npz").read_bytes()
        (tmp_path / "pascal_voc_20.npz").write_bytes(content[:-40])
    else:
        tree = json.loads((tmp_path / "pascal_voc_20.json").read_text())
        del tree["cell"]
        (tmp_path / "pascal_voc_20.json").write_text(json.dumps(tree))
    run(suite, tmp_path, **changes)
    assert ByColour.made == 2


def test_counts_of_a_killed_evaluation_of_another_model_are_not_believed(tmp_path: Path) -> None:
    suite = PAPER.only(["pascal_voc_20"])
    run(suite, tmp_path)
    report = (tmp_path / "pascal_voc_20.json").read_bytes()
    counts = read_counts(tmp_path / "pascal_voc_20.npz")
    # Killed after it had written the counts, the first of its files.
    write_counts(tmp_path / "pascal_voc_20.npz", replace(counts, intersection=counts.intersection // 2))
    run(suite, tmp_path)
    assert ByColour.made == 2
    np.testing.assert_array_equal(
        read_counts(tmp_path / "pascal_voc_20.npz").intersection, counts.intersection
    )
    assert (
        json.loads(report)["summary"] == json.loads((tmp_path / "pascal_voc_20.json").read_text())["summary"]
    )


def test_reports_may_lie_in_a_bucket(tmp_path: Path) -> None:
    suite = PAPER.only(["pascal_voc_20"])
    with bucket(tmp_path) as root:
        check_writable(root / "reports")
        assert not list(tmp_path.rglob("*.tmp"))
        run(suite, root / "reports")
        run(suite, root / "reports")
    assert ByColour.made == 1
    log = (tmp_path / "reports/pascal_voc_20.log").read_text()
    assert "started" in log
    assert "finished" in log
    assert (tmp_path / "reports/table.json").exists()


def test_a_missing_set_is_a_row_and_the_others_are_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = replace(
        SMALL, sets=(*SMALL.sets, replace(SMALL.sets[0], name="other", root="nowhere", title="X"))
    )
    assert not run(suite, tmp_path)
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [row["mIoU"] is None for row in rows] == [False, False, True]
    assert rows[2]["reason"].startswith("not prepared: ")
    assert "- X: not prepared: " in capsys.readouterr().out


def test_two_models_are_compared_set_by_set(tmp_path: Path) -> None:
    run(SMALL, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b/pascal_voc_20b.npz").unlink()
    run(SMALL, tmp_path / "a", against=tmp_path / "b")
    tree = json.loads((tmp_path / "a/table.json").read_text())
    assert tree["against"] == str(tmp_path / "b")
    assert list(tree["comparisons"]) == ["pascal_voc_20"]
    compared = tree["comparisons"]["pascal_voc_20"]
    assert (compared["difference"], compared["p"]) == (0.0, 1.0)
    assert compared["a"] == pytest.approx(tree["rows"][0]["mIoU"])
    assert "pascal_voc_20b" in tree["remarks"][0]


def test_an_interrupted_suite_leaves_the_table_of_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = ByColour.segment_prepared

    def interrupted(self: ByColour, images: Any, sizes: Any) -> list[Prediction]:
        if self._num_classes == 59:
            raise KeyboardInterrupt
        return segment(self, images, sizes)

    monkeypatch.setattr(ByColour, "segment_prepared", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(SMALL, tmp_path)
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert rows[0]["mIoU"] is not None
    assert rows[1]["reason"] == "not evaluated yet"
    assert "finished" not in (tmp_path / "pascal_voc_20b.log").read_text()
