import dataclasses
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.analysis.benchmark.flops import count_flops
from hclip_jax.config.schema import HeadConfig
from hclip_jax.models.clip.image_encoder import ImageFeatures
from hclip_jax.models.head.cost_volume import ABSENT_LOGIT, cost_volume, scatter_class_logits
from hclip_jax.models.head.head import ClassLogits, SegmentationHead
from hclip_jax.ops.remat import REMAT_POLICIES
from tests import tolerance
from tests.small_models import micro

KEYS = jax.random.split(jax.random.key(0), 4)
FEATURES = ImageFeatures(
    jax.random.normal(KEYS[0], (2, 4, 4, 16)),
    tuple(jax.random.normal(key, (2, 4, 4, 16)) for key in KEYS[1:3]),
)
TEXT = jax.random.normal(KEYS[3], (5, 1, 16))


def head_config(**fields: Any) -> HeadConfig:
    return dataclasses.replace(micro().head, **fields)


def head(
    max_classes: int = 256,
    dtype: object = jnp.float32,
    class_chunk_size: int = 32,
    remat_policy: str = "none",
) -> SegmentationHead:
    return SegmentationHead(head_config(max_classes=max_classes), dtype, class_chunk_size, remat_policy)


PARAMS = jax.jit(head().init, static_argnums=3)(jax.random.key(1), FEATURES, TEXT, 1)


@partial(jax.jit, static_argnums=(0, 4))
def apply(
    head: SegmentationHead, params: dict, image: ImageFeatures, text: jax.Array, pooling: int
) -> jax.Array:
    logits, class_ids = cast(ClassLogits, head.apply(params, image, text, pooling))
    return scatter_class_logits(logits, class_ids, len(text))


def test_logits_follow_the_order_of_classes() -> None:
    order = jnp.array([4, 2, 0, 1, 3])
    logits = apply(head(), PARAMS, FEATURES, TEXT, 1)
    assert logits.shape == (2, 5, 16, 16)
    reordered = apply(head(), PARAMS, FEATURES, TEXT[order], 1)
    tolerance.assert_close(reordered, logits[:, order], atol=1e-5)


def test_images_are_independent() -> None:
    both = apply(head(), PARAMS, FEATURES, TEXT, 2)
    second = jax.tree.map(lambda x: x[1:], FEATURES)
    tolerance.assert_close(apply(head(), PARAMS, second, TEXT, 2), both[1:], atol=1e-5)


def test_gradients_through_the_selection_equal_those_of_the_selected_classes() -> None:
    """With 3 of 5 classes selected, against the head on those 3, selected by hand."""
    image = jax.tree.map(lambda x: x[:1], FEATURES)
    ids = cast(jax.Array, cost_volume(image.patch_features, TEXT, 3).class_ids)[0]

    def loss(text_ids: jax.Array | None, params: dict, image: ImageFeatures, text: jax.Array) -> jax.Array:
        logits = apply(head(max_classes=3), params, image, text if text_ids is None else text[text_ids], 2)
        return (jnp.where(logits == ABSENT_LOGIT, 0.0, logits) ** 2).mean(axis=(0, 2, 3)).sum()

    got, want = (
        jax.jit(jax.value_and_grad(partial(loss, text_ids), argnums=(0, 1, 2)))(PARAMS, image, TEXT)
        for text_ids in (None, ids)
    )
    tolerance.assert_close(got, want, atol=1e-5, rtol=1e-4)
    _, (params, features, text) = got
    zero = [jax.tree_util.keystr(path) for path, g in jax.tree.leaves_with_path(params) if not g.any()]
    assert not [path for path in zero if "padding" not in path]  # without padding, its token has no gradient
    assert np.abs(features.patch_features).max(-1).all()
    assert set(np.flatnonzero(np.abs(text).max((1, 2)))) == set(np.asarray(ids))


@pytest.mark.parametrize("remat_policy", [pytest.param("dots", marks=pytest.mark.slow), "full"])
def test_remat_does_not_change_values_and_gradients(remat_policy: str) -> None:
    value_and_gradient = jax.jit(jax.value_and_grad(mean_square, argnums=1), static_argnums=0)
    tolerance.assert_close(
        value_and_gradient(remat_policy, PARAMS), value_and_gradient("none", PARAMS), atol=1e-6, rtol=1e-4
    )


def test_the_fewer_activations_are_stored_the_more_are_recomputed() -> None:
    none, dots, full = (
        count_flops(jax.grad(partial(mean_square, remat_policy)), PARAMS) for remat_policy in REMAT_POLICIES
    )
    assert none < dots < full < 1.5 * none


def mean_square(remat_policy: str, params: Any) -> jax.Array:
    logits, _ = head(remat_policy=remat_policy).apply(params, FEATURES, TEXT, 2)
    return (cast(jax.Array, logits) ** 2).mean()


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_class_chunk_size_does_not_change_logits(size: int) -> None:
    whole = apply(head(), PARAMS, FEATURES, TEXT, 2)
    tolerance.assert_close(apply(head(class_chunk_size=size), PARAMS, FEATURES, TEXT, 2), whole, atol=1e-5)


def test_computing_classes_in_two_halves_does_not_change_logits() -> None:
    text = jax.random.normal(jax.random.key(5), (17, 1, 16))
    one_by_one = apply(head(class_chunk_size=1), PARAMS, FEATURES, text, 2)
    tolerance.assert_close(apply(head(), PARAMS, FEATURES, text, 2), one_by_one, atol=1e-5)


@pytest.mark.parametrize("pooling", [1, 2])
def test_bfloat16_logits_are_close(pooling: int) -> None:
    exact = apply(head(), PARAMS, FEATURES, TEXT, pooling)
    half = apply(head(dtype=jnp.bfloat16), PARAMS, FEATURES, TEXT, pooling)
    assert half.dtype == jnp.float32
    assert np.abs(half - exact).max() < 0.05 * np.abs(exact).max()
    assert np.abs(half - exact).max() > 0


def test_the_prior_is_the_initial_probability_of_every_class() -> None:
    with_prior = SegmentationHead(head_config(prior_prob=0.01), jnp.float32, 32, "none")
    params = jax.jit(with_prior.init, static_argnums=3)(jax.random.key(1), FEATURES, TEXT, 1)
    probs = jax.nn.sigmoid(apply(with_prior, params, FEATURES, TEXT, 1))
    tolerance.assert_close(probs, jnp.full_like(probs, 0.01), atol=1e-6)
    assert np.ptp(apply(head(), PARAMS, FEATURES, TEXT, 1)) > 1e-3  # without a prior, logits are random
