"""The same model from whatever it lies in, and a package that opens at once."""

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
from hclip_jax.weights.export import merged
from hclip_jax.weights.model_directory import save_model
from tests import tolerance, trained
from tests.small_models import micro

WORDS = ("cat", "road, street", "red wall")
RGB = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)


def test_a_training_a_model_and_a_merged_model_are_the_same(tmp_path: Path) -> None:
    workdir = trained.train(tmp_path / "run")
    save_model(tmp_path / "model", open_model(workdir))
    save_model(tmp_path / "merged", merged(open_model(workdir), None, keep_precision=True))
    assert open_model(tmp_path / "merged").parts == ("clip", "head")
    in_memory = trained.segmenter()(RGB, WORDS)
    for name, atol in (("run", 1e-6), ("model", 1e-6), ("merged", 1e-5)):
        loaded = Segmenter.load(tmp_path / name)
        assert loaded.class_names == trained.CLASSES
        found = loaded(RGB, WORDS)
        tolerance.assert_within(found.probabilities, in_memory.probabilities, atol)
        tolerance.assert_within(found.confidence, in_memory.confidence, atol)
    # The adapters do something, so leaving them out would be seen.
    untouched = {part: tree for part, tree in trained.params().items() if part != "adapters"}
    without = Segmenter(Model(micro().architecture), untouched, micro().protocol)(RGB, WORDS)
    assert np.abs(without.probabilities - in_memory.probabilities).max() > 1e-3

    half = Segmenter.load(tmp_path / "model", dtype="bfloat16")(RGB, WORDS)
    assert 0 < np.abs(half.probabilities - in_memory.probabilities).max() < 0.05
    with pytest.raises(UserError, match="dtype is 'float16'; it must be float32 or bfloat16"):
        Segmenter.load(tmp_path / "model", dtype="float16")
    with pytest.raises(UserError, match="has a CLIP of its own; leave --base out"):
        Segmenter.load(tmp_path / "model", base=tmp_path / "merged")


def test_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing does not exist"):
        Segmenter.load(tmp_path / "missing")


@pytest.mark.parametrize("module", ["hclip_jax", "hclip_jax.tools.segment"])
def test_importing_does_not_wait_for_jax(module: str) -> None:
    code = f"import {module}, sys; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_unknown_attribute() -> None:
    assert set(hclip_jax.__all__) == {"Segmenter", "Segmentation"}
    with pytest.raises(AttributeError, match="module 'hclip_jax' has no attribute 'segment_all'"):
        _ = hclip_jax.segment_all
