import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.models.hclip import init_clip
from hclip_jax.pretraining.contrastive import LOGIT_SCALE, cosines, patch_accuracy, region_loss
from tests.small_models import micro

CLIP = micro().clip
THINGS = np.array([0, 0, 0, 2, -1], np.int32)
NAMED = np.array([[1, 0, 0], [1, 0, 1], [0, 0, 1], [0, 1, 0]], np.float32)  # the last is true of nothing here


def test_loss_equals_its_definition() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, (5, 4)).astype(np.float32)
    exponentials = np.exp(LOGIT_SCALE * values.astype(np.float64))
    of_patches = []
    for patch, thing in enumerate(THINGS[:4]):
        probabilities = exponentials[patch] / exponentials[patch].sum()
        of_patches.append(-np.log(probabilities[NAMED[:, thing] > 0]).mean())
    weights = np.array([3.0, 3.0, 3.0, 1.0]) ** -0.5
    of_phrases = []
    for phrase in range(4):
        probabilities = exponentials[:4, phrase] / exponentials[:4, phrase].sum()
        true = [patch for patch, thing in enumerate(THINGS[:4]) if NAMED[phrase, thing]]
        of_phrases.append(-np.log(probabilities[true]).mean() if true else 0.0)
    expected = np.average(of_patches, weights=weights) + 0.25 * np.mean(of_phrases)
    loss = region_loss(jnp.asarray(values), jnp.asarray(THINGS), jnp.asarray(NAMED))
    assert loss == pytest.approx(expected, rel=1e-5)


def test_mixed_patches_take_part_in_nothing() -> None:
    values = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (5, 4)).astype(np.float32))
    gradient = jax.grad(region_loss)(values, jnp.asarray(THINGS), jnp.asarray(NAMED))
    assert (gradient[4] == 0).all()
    assert (jnp.abs(gradient[:4]).max(axis=1) > 0).all()
    nothing = region_loss(values, jnp.full(5, -1), jnp.asarray(NAMED))
    assert nothing == 0


@pytest.mark.slow
def test_gradients_reach_both_towers() -> None:
    clip = init_clip(CLIP, *jax.random.split(jax.random.key(0)))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (2, 24, 24, 3)).astype(np.uint8)
    tokens = jnp.asarray(rng.integers(1, 40_000, (4, 8)).astype(np.int32))
    things = jnp.asarray(rng.integers(0, 3, 2 * 9).astype(np.int32))

    def loss(clip: dict) -> jax.Array:
        return region_loss(cosines(CLIP, clip, images, tokens).reshape(18, 4), things, jnp.asarray(NAMED))

    assert np.abs(cosines(CLIP, clip, images, tokens)).max() <= 1 + 1e-6
    gradient = jax.jit(jax.grad(loss))(clip)
    assert gradient.pop("logit_scale") == 0
    for path, leaf in jax.tree.leaves_with_path(gradient):
        if "key']['bias" not in jax.tree_util.keystr(path):  # softmax does not depend on it
            assert np.abs(leaf).max() > 0, path


def test_patch_accuracy() -> None:
    values = jnp.array([[[1.0, 0.0, 2.0], [0.0, 1.0, 0.5], [9.0, 0.0, 1.0]]])
    assert patch_accuracy(values, jnp.array([[2, 0, 0]])) == pytest.approx(2 / 3)
    assert patch_accuracy(values, jnp.array([[2, -1, 1]])) == pytest.approx(1 / 2)
