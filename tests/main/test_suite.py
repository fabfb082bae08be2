"""From prepared sets to the table: a training on COCO-Stuff, evaluated on the suite of the paper."""

import json
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.data.data_folder import VARIABLE
from hclip_jax.data.sources import open_source
from hclip_jax.inference.predictor import Predictor
from hclip_jax.load import open_model
from hclip_jax.main import main
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import localize, make_mesh, own_mesh
from hclip_jax.tools import convert, evaluate
from hclip_jax.tools.command_line import run
from tests import prepared_sets
from tests.labelled_folder import make_folder
from tests.weights.sample_files import FILES

CONFIG = """
from tests.small_models import micro_dict


def get_config():
    c = micro_dict()
    c.data.update(root="tfds:coco_stuff_171", label_set="")
    c.train.update(num_train_steps=2, batch_size=2)
    c.head.max_classes = 16  # as published, of more classes each image uses the most probable
    c.evaluation.update(protocol="single", num_images=0)
    return c
"""


def miou(truths: list[np.ndarray], predictions: list[np.ndarray], num_classes: int) -> float:
    """The mean IoU in percent over the classes that occur, class by class."""
    truth, predicted = np.concatenate(truths), np.concatenate(predictions)
    present = [t for t in range(num_classes) if (truth == t).any()]
    both = [((truth == t) & (predicted == t)).sum() for t in present]
    either = [((truth == t) | (predicted == t)).sum() for t in present]
    return 100 * float(np.mean(np.divide(both, either)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*CLIP reads the same words")
def test_from_a_training_to_the_table_of_all_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(prepared_sets.data()))
    (tmp_path / "mine.py").write_text(CONFIG)
    workdir = tmp_path / "run"
    assert run(main, [f"--config={tmp_path / 'mine.py'}", f"--workdir={workdir}"]) == 0
    assert run(evaluate.main, [str(workdir), "--suite=paper"]) == 0
    table = json.loads((workdir / "evaluation/paper/table.json").read_text())
    figures = {row["name"]: row["mIoU"] for row in table["rows"]}
    assert list(figures) == list(prepared_sets.NAMES)

    opened = open_model(workdir)
    architecture, protocol, _ = opened.require_spec()
    model, mesh = Model(architecture), own_mesh(make_mesh(), 1)
    params = localize(opened.load_params(), mesh)
    for name, figure in figures.items():
        source = open_source(str(prepared_sets.data() / name), "val")
        names = source.class_names
        predictor = Predictor(model, params, model.prompts(names), mesh, protocol)
        truths, predictions = [], []
        for index in range(len(source)):
            example = source[index]
            label = prepared_sets.official_labels()[f"{name}/val/{example['name']}"]
            (found,) = predictor.segment([example["image"]], [label.shape])
            ids = np.where(found.ids >= 20, 20, found.ids) if name == "pascal_voc_20b" else found.ids
            labelled = label != np.iinfo(label.dtype).max
            truths.append(label[labelled].astype(np.int64))
            predictions.append(ids[labelled].astype(np.int64))
        assert figure == pytest.approx(miou(truths, predictions, len(names)), rel=1e-6, abs=1e-9), name


@pytest.mark.slow
def test_a_published_file_and_its_model_directory_give_one_table(tmp_path: Path) -> None:
    make_folder(tmp_path / "mine")
    suite = {"sets": [{"name": "mine", "root": str(tmp_path / "mine"), "split": "val"}]}
    (tmp_path / "suite.json").write_text(json.dumps(suite))

    def table(model: Path, *arguments: str) -> dict:
        output = tmp_path / f"of_{model.name}"
        options = [f"--suite={tmp_path / 'suite.json'}", f"--output={output}", *arguments]
        assert run(evaluate.main, [str(model), *options]) == 0
        return json.loads((output / "table.json").read_text())

    file = table(FILES / "hclip.pth")
    assert run(convert.main, [str(FILES / "hclip.pth"), str(tmp_path / "model")]) == 0
    directory = table(tmp_path / "model", f"--against={tmp_path / 'of_hclip.pth'}")
    assert file["rows"][0]["mIoU"] == directory["rows"][0]["mIoU"] > 0
    assert file["model"]["fingerprint"] == directory["model"]["fingerprint"]
    assert directory["comparisons"]["mine"]["difference"] == 0
