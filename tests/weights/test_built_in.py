"""A model whose CLIP is the built-in one is recognised, whatever was done to it."""

import dataclasses

import pytest

from hclip_jax.config.overrides import read_config
from hclip_jax.config.schema import ClipConfig
from hclip_jax.training.init import BUILT_IN
from hclip_jax.weights.built_in import is_built_in
from hclip_jax.weights.model_directory import load_model


def test_the_shipped_weights_and_every_model_trained_on_them() -> None:
    shipped, config = load_model(BUILT_IN["tiny"]).clip, read_config("tiny").clip
    assert is_built_in(shipped)
    assert is_built_in(config)
    # A file of CLIP's own format keeps the sizes of the tensors alone.
    assert is_built_in(dataclasses.replace(config, weights="", activation="gelu"))


@pytest.mark.parametrize("clip", [read_config("vitb").clip, read_config("vitl").clip])
def test_published_clips_are_others(clip: ClipConfig) -> None:
    assert not is_built_in(clip)


def test_random_weights_have_seen_no_drawings() -> None:
    assert not is_built_in(dataclasses.replace(read_config("tiny").clip, weights="random"))
