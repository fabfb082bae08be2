"""The small CLIP that comes with the package, and how it is made."""

from pathlib import Path

import numpy as np
import pytest

from hclip_jax.config.validate import from_config_dict
from hclip_jax.configs import tiny
from hclip_jax.pretraining.pairs import test_pairs as pairs_of_the_test_split
from hclip_jax.pretraining.pairs import training_pairs
from hclip_jax.pretraining.train import retrieval
from hclip_jax.tools import pretrain_tiny
from hclip_jax.training.init import BUILT_IN
from hclip_jax.weights.model_directory import load_model


def test_it_finds_the_right_caption_among_32() -> None:
    model = load_model(BUILT_IN["tiny"])
    clip = from_config_dict(tiny.get_config()).clip
    pairs = pairs_of_the_test_split(256, clip.image.image_size, clip.text.context_length)
    assert retrieval(clip, model.load_params()["clip"], pairs["image"], pairs["tokens"]) > 0.6


def test_it_is_small() -> None:
    assert sum(file.stat().st_size for file in BUILT_IN["tiny"].iterdir()) < 2e6


def test_the_command_makes_a_clip_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hclip_jax.pretraining.train._TEST_PICTURES", 32)
    file = tmp_path / "micro.py"
    file.write_text("from tests.small_models import micro_dict as get_config\n")
    target = tmp_path / "clip"
    argv = [str(target), f"--config={file}", "--steps=2", "--batch=4", "--num_workers=0"]
    assert pretrain_tiny.main(argv) == 0
    model = load_model(target)
    assert model.parts == ("clip",)
    assert {leaf.dtype for leaf in model.params.values()} == {np.dtype(np.float16)}


def test_pairs_are_the_same_every_time_and_differ_from_each_other() -> None:
    options = {"batch": 2, "side": 32, "context": 48, "seed": 3, "workers": 0}
    streams = [training_pairs(**options) for _ in range(2)]
    (first, second), (again, _) = ([next(stream) for _ in range(2)] for stream in streams)
    for stream in streams:
        stream.close()
    for name in ("image", "tokens"):
        np.testing.assert_array_equal(first[name], again[name])
        assert (first[name] != second[name]).any()
