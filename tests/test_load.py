"""Loading a model in any form, and imports that load nothing they do not need."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hclip_jax
from hclip_jax import Segmenter
from hclip_jax.errors import UserError
from hclip_jax.load import open_model
from hclip_jax.models.hclip import Model
from hclip_jax.weights.export import merge_adapters
from hclip_jax.weights.model_directory import save_model
from tests import tolerance, trained
from tests.hub_server import Hub, Repo
from tests.small_models import micro
from tests.weights.sample_files import FILES
from tests.weights.sample_models import values


def test_work_directory_model_directory_and_merged_model_agree(tmp_path: Path) -> None:
    workdir = trained.train(tmp_path / "run")
    save_model(tmp_path / "model", open_model(workdir))
    save_model(tmp_path / "merged", merge_adapters(open_model(workdir), None, keep_precision=True))
    assert open_model(tmp_path / "merged").parts == ("clip", "head")
    expected = trained.segmenter()(trained.RGB, trained.CLASS_NAMES)
    for name, atol in (("run", 1e-6), ("model", 1e-6), ("merged", 1e-5)):
        segmenter = Segmenter.load(tmp_path / name)
        assert segmenter.class_names == trained.CLASSES
        result = segmenter(trained.RGB, trained.CLASS_NAMES)
        tolerance.assert_within(result.probabilities, expected.probabilities, atol)
        tolerance.assert_within(result.confidence, expected.confidence, atol)
    # The adapters change the result, so the test would fail without them.
    params = {part: tree for part, tree in trained.params().items() if part != "adapters"}
    without_adapters = Segmenter(Model(micro().architecture), params, micro().protocol)
    result = without_adapters(trained.RGB, trained.CLASS_NAMES)
    assert np.abs(result.probabilities - expected.probabilities).max() > 1e-3

    half = Segmenter.load(tmp_path / "model", dtype="bfloat16")(trained.RGB, trained.CLASS_NAMES)
    assert 0 < np.abs(half.probabilities - expected.probabilities).max() < 0.05
    with pytest.raises(UserError, match="dtype is 'float16'; it must be float32 or bfloat16"):
        Segmenter.load(tmp_path / "model", dtype="float16")
    with pytest.raises(UserError, match="has a CLIP of its own; leave --base out"):
        Segmenter.load(tmp_path / "model", base=tmp_path / "merged")


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing does not exist"):
        Segmenter.load(tmp_path / "missing")


def test_a_file_of_cat_seg_by_name_is_the_file(hub: Hub) -> None:
    file = FILES / "catseg.pth"
    hub.repos["spaces/hamacojr/CAT-Seg-weights"] = Repo({"model_base.pth": file.read_bytes(), "app.py": b""})
    by_name = open_model("hf:spaces/hamacojr/CAT-Seg-weights/model_base.pth")
    assert values(by_name) == values(open_model(file))
    assert by_name.spec == open_model(file).spec
    results = [
        Segmenter.load(model)(trained.RGB, trained.CLASS_NAMES, fast=True)
        for model in (file, "hf:spaces/hamacojr/CAT-Seg-weights/model_base.pth")
    ]
    np.testing.assert_array_equal(results[1].probabilities, results[0].probabilities)


@pytest.mark.parametrize("folder", ["huggingface", "huggingface_bin", "open_clip"])
def test_clip_by_name_is_read_with_its_configuration(folder: str, hub: Hub) -> None:
    files = {path.name: path.read_bytes() for path in (FILES / folder).iterdir()}
    hub.repos["models/openai/clip"] = Repo(files)
    by_name, by_path = open_model("hf:openai/clip"), open_model(FILES / folder)
    assert (by_name.clip, values(by_name)) == (by_path.clip, values(by_path))


def test_activation_must_not_contradict_the_file() -> None:
    assert open_model(FILES / "openai.pt", activation="quick_gelu").clip.activation == "quick_gelu"
    with pytest.raises(
        UserError, match=r"openai.pt states the activation quick_gelu; leave --activation out"
    ):
        open_model(FILES / "openai.pt", activation="gelu")


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("hclip_jax", "jax"),
        ("hclip_jax.tools.segment", "jax"),
        ("hclip_jax.segmenter", "orbax"),
        ("hclip_jax.segmenter", "tensorflow_datasets"),
    ],
)
def test_imports_are_lazy(module: str, unwanted: str) -> None:
    code = f"import {module}, sys; print({unwanted!r} in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout == "False\n"


def test_an_unknown_attribute_of_the_package_is_an_error() -> None:
    assert all(hasattr(hclip_jax, name) for name in hclip_jax.__all__)
    with pytest.raises(AttributeError, match="module 'hclip_jax' has no attribute 'segment_all'"):
        _ = hclip_jax.segment_all


def test_a_training_without_a_checkpoint_is_not_a_model(tmp_path: Path) -> None:
    workdir = trained.train(tmp_path / "run")
    shutil.rmtree(workdir / "checkpoints")
    with pytest.raises(UserError, match=f"{workdir} has no checkpoint yet, so its model is untrained"):
        Segmenter.load(workdir)


def test_a_checkpoint_is_selected_by_its_step(tmp_path: Path) -> None:
    workdir = trained.train(tmp_path / "run")
    assert "step 4" in open_model(workdir, checkpoint=4).source
    with pytest.raises(UserError, match=f"{workdir} has no checkpoint of step 2; it has those of step 4"):
        Segmenter.load(workdir, checkpoint=2)
    with pytest.raises(
        UserError, match=r"openai.pt is not the --workdir of a training; leave the checkpoint 4"
    ):
        open_model(FILES / "openai.pt", checkpoint=4)
