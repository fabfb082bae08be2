import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.models.clip.image_encoder import ImageEncoder
from hclip_jax.models.clip.text_encoder import TextEncoder
from hclip_jax.models.hclip import init_clip
from hclip_jax.ops.normalization import l2_normalize
from hclip_jax.pretraining.contrastive import contrastive_loss, found_among, similarities
from tests.small_models import micro

CLIP = micro().clip


def inputs() -> tuple:
    clip = init_clip(CLIP, *jax.random.split(jax.random.key(0)))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (6, 24, 24, 3)).astype(np.uint8)
    tokens = rng.integers(1, 40_000, (6, 8)).astype(np.int32)
    return clip, images, tokens


def test_the_loss_is_what_the_two_directions_say_by_token_and_patches() -> None:
    clip, images, tokens = inputs()
    *both, seen = similarities(CLIP, clip, images, tokens)
    parts = []
    for cosines in both:
        assert np.abs(cosines).max() <= 1 + 1e-6
        logits = 10.0 * np.asarray(cosines, np.float64)
        parts += [np.mean(np.log(np.exp(x).sum(1)) - np.diag(x)) for x in (logits, logits.T)]
    variance = np.var(np.asarray(seen, np.float64), axis=1).sum(axis=1)
    expected = np.mean(parts) + variance[-2] / variance[-1]
    np.testing.assert_allclose(contrastive_loss(CLIP, clip, images, tokens), expected, rtol=1e-5)


def test_patches_are_those_the_segmenter_reads() -> None:
    clip, images, tokens = inputs()
    _, by_patches, _ = similarities(CLIP, clip, images, tokens)
    patches = l2_normalize(ImageEncoder(CLIP).apply({"params": clip["image"]}, images).dense)
    captions = l2_normalize(TextEncoder(CLIP).apply({"params": clip["text"]}, tokens))
    np.testing.assert_allclose(by_patches, l2_normalize(patches.mean((1, 2))) @ captions.T, atol=1e-5)


def test_gradients_reach_both_towers() -> None:
    clip, images, tokens = inputs()
    gradient = jax.grad(contrastive_loss, argnums=1)(CLIP, clip, images, tokens)
    assert gradient.pop("logit_scale") == 0
    for path, leaf in jax.tree.leaves_with_path(gradient):
        if "key']['bias" not in jax.tree_util.keystr(path):  # which softmax does not see
            assert np.abs(leaf).max() > 0, path


def test_found_among_counts_pictures_whose_own_caption_is_nearest() -> None:
    cosines = jnp.array([[1.0, 0.0, 2.0], [0.0, 1.0, 0.5], [9.0, 0.0, 1.0]])
    assert found_among(cosines, 1) == 1
    assert found_among(cosines, 2) == pytest.approx(2 / 3)  # the third prefers the first's
    assert found_among(cosines, 3) == pytest.approx(1 / 3)
