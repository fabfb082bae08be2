from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.models.clip.image_encoder import ImageEncoder, ImageFeatures
from hclip_jax.models.clip.text_encoder import TextEncoder
from hclip_jax.models.hclip import init_clip
from hclip_jax.ops.normalization import l2_normalize
from hclip_jax.pretraining.contrastive import contrastive_loss, retrieval_accuracy, similarities
from tests.small_models import micro

CLIP = micro().clip


def inputs() -> tuple:
    """Parameters of CLIP, images uint8 [6, 24, 24, 3] and tokens int32 [6, 8]."""
    clip = init_clip(CLIP, *jax.random.split(jax.random.key(0)))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (6, 24, 24, 3)).astype(np.uint8)
    tokens = rng.integers(1, 40_000, (6, 8)).astype(np.int32)
    return clip, images, tokens


def test_loss_equals_its_definition() -> None:
    clip, images, tokens = inputs()
    *all_cosines, class_tokens = similarities(CLIP, clip, images, tokens)
    cross_entropies = []
    for cosines in all_cosines:
        assert np.abs(cosines).max() <= 1 + 1e-6
        logits = 10.0 * np.asarray(cosines, np.float64)
        cross_entropies += [np.mean(np.log(np.exp(x).sum(1)) - np.diag(x)) for x in (logits, logits.T)]
    variance = np.var(np.asarray(class_tokens, np.float64), axis=1).sum(axis=1)
    expected = np.mean(cross_entropies) + variance[-2] / variance[-1]
    np.testing.assert_allclose(contrastive_loss(CLIP, clip, images, tokens), expected, rtol=1e-5)


def test_patch_features_are_those_of_the_segmenter() -> None:
    clip, images, tokens = inputs()
    _, patch_cosines, _ = similarities(CLIP, clip, images, tokens)
    features = cast(ImageFeatures, ImageEncoder(CLIP).apply({"params": clip["image"]}, images))
    captions = cast(jax.Array, TextEncoder(CLIP).apply({"params": clip["text"]}, tokens))
    patch_mean = l2_normalize(features.patch_features).mean((1, 2))
    expected = l2_normalize(patch_mean) @ l2_normalize(captions).T
    np.testing.assert_allclose(patch_cosines, expected, atol=1e-5)


def test_gradients_reach_both_towers() -> None:
    clip, images, tokens = inputs()
    gradient = jax.grad(contrastive_loss, argnums=1)(CLIP, clip, images, tokens)
    assert gradient.pop("logit_scale") == 0
    for path, leaf in jax.tree.leaves_with_path(gradient):
        if "key']['bias" not in jax.tree_util.keystr(path):  # softmax does not depend on it
            assert np.abs(leaf).max() > 0, path


def test_retrieval_accuracy() -> None:
    cosines = jnp.array([[1.0, 0.0, 2.0], [0.0, 1.0, 0.5], [9.0, 0.0, 1.0]])
    assert retrieval_accuracy(cosines, 1) == 1
    assert retrieval_accuracy(cosines, 2) == pytest.approx(2 / 3)  # caption 0 is nearer to image 2
    assert retrieval_accuracy(cosines, 3) == pytest.approx(1 / 3)
