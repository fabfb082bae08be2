"""Both towers, with their adapters, against the published code's features."""

from pathlib import Path

import jax
import numpy as np
import pytest

from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.ops import resize
from tests import tolerance
from tests.parity import recipe
from tests.small_models import channels_last, mini, mini_params

CASE = np.load(Path(__file__).parent / "clip.npz")
MODEL = Model(mini().architecture)


@pytest.fixture(scope="module")
def clip() -> Params:
    return jax.jit(MODEL.adapt)(mini_params())


@pytest.mark.parametrize("length", [16, 77])
def test_text(clip: Params, length: int) -> None:
    tokens = CASE["tokens"][:, :length]
    features = jax.jit(MODEL.text_encoder.apply)({"params": clip["text"]}, tokens)
    tolerance.assert_within(features, CASE["text_features"], tolerance.TOWERS)


def test_image(clip: Params) -> None:
    images = channels_last(recipe.uniform_uint8("image.clip", (2, 3, 384, 384)))
    features = jax.jit(MODEL.image_encoder.apply)({"params": clip["image"]}, images)
    _same_patches(features.patch_features, CASE["dense_features"], 8)
    for block, name in enumerate(("hidden_layer4", "hidden_layer8")):
        _same_patches(features.guidance[block], CASE[name], 32)


def test_image_at_the_resolution_of_pretraining(clip: Params) -> None:
    images = channels_last(recipe.uniform_uint8("image.clip", (2, 3, 384, 384)))
    smaller = resize.bilinear(images.astype(np.float32), (224, 224), axes=(1, 2))
    features = jax.jit(MODEL.image_encoder.apply)({"params": clip["image"]}, smaller)
    _same_patches(features.patch_features, CASE["dense_features_224"], 8)


def _same_patches(got: jax.Array, want: np.ndarray, every: int) -> None:
    """`want` holds every `every`-th token, the class token first; `got` holds the patches [B, h, w, D]."""
    patches = np.asarray(got).reshape(len(got), -1, got.shape[-1])
    tolerance.assert_within(patches[:, every - 1 :: every], want[:, 1:], tolerance.TOWERS)
