from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.analysis.benchmark.flops import count_flops
from hclip_jax.config.validate import from_config_dict
from hclip_jax.models.clip.image_encoder import ImageFeatures
from hclip_jax.models.head.head import SegmentationHead
from hclip_jax.ops.remat import REMAT_POLICIES
from tests import tolerance
from tests.small_models import micro_dict

KEYS = jax.random.split(jax.random.key(0), 4)
FEATURES = ImageFeatures(
    jax.random.normal(KEYS[0], (2, 4, 4, 16)),
    tuple(jax.random.normal(key, (2, 4, 4, 16)) for key in KEYS[1:3]),
)
TEXT = jax.random.normal(KEYS[3], (5, 1, 16))


def head(
    max_classes: int = 256, dtype: object = jnp.float32, chunk: int = 32, remat_policy: str = "none"
) -> SegmentationHead:
    c = micro_dict()
    c.head.max_classes = max_classes
    return SegmentationHead(from_config_dict(c).head, dtype, chunk, remat_policy)


PARAMS = jax.jit(head().init, static_argnums=3)(jax.random.key(1), FEATURES, TEXT, 1)


@partial(jax.jit, static_argnums=(0, 4))
def apply(
    head: SegmentationHead, params: dict, image: ImageFeatures, text: jax.Array, pooling: int
) -> jax.Array:
    return head.apply(params, image, text, pooling)


def test_logits_follow_the_order_of_classes() -> None:
    order = jnp.array([4, 2, 0, 1, 3])
    plain = apply(head(), PARAMS, FEATURES, TEXT, 1)
    assert plain.shape == (2, 5, 16, 16)
    turned = apply(head(), PARAMS, FEATURES, TEXT[order], 1)
    tolerance.assert_close(turned, plain[:, order], atol=1e-5)


def test_pictures_do_not_meet() -> None:
    both = apply(head(), PARAMS, FEATURES, TEXT, 2)
    second = jax.tree.map(lambda x: x[1:], FEATURES)
    tolerance.assert_close(apply(head(), PARAMS, second, TEXT, 2), both[1:], atol=1e-5)


def test_class_selection_also_trains() -> None:
    loss = lambda p: (apply(head(max_classes=3), p, FEATURES, TEXT, 2) ** 2).mean()  # noqa: E731
    gradient = jax.jit(jax.grad(loss))(PARAMS)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("remat_policy", ["dots", "full"])
def test_what_is_computed_anew_changes_nothing(remat_policy: str) -> None:
    def loss(remat_policy: str, params: Any) -> jax.Array:
        return (head(remat_policy=remat_policy).apply(params, FEATURES, TEXT, 2) ** 2).mean()

    value_and_gradient = jax.jit(jax.value_and_grad(loss, argnums=1), static_argnums=0)
    tolerance.assert_close(
        value_and_gradient(remat_policy, PARAMS), value_and_gradient("none", PARAMS), atol=1e-6, rtol=1e-4
    )


def test_less_that_is_kept_is_more_that_is_computed() -> None:
    def gradient(remat_policy: str) -> Any:
        return jax.grad(lambda p: (head(remat_policy=remat_policy).apply(p, FEATURES, TEXT, 2) ** 2).mean())

    everything, products, nothing = (
        count_flops(gradient(remat_policy), PARAMS) for remat_policy in REMAT_POLICIES
    )
    assert everything < products < nothing < 1.5 * everything


@pytest.mark.parametrize("chunk", [1, 2, 3, 5])
def test_classes_at_once_change_nothing(chunk: int) -> None:
    whole = apply(head(), PARAMS, FEATURES, TEXT, 2)
    tolerance.assert_close(apply(head(chunk=chunk), PARAMS, FEATURES, TEXT, 2), whole, atol=1e-5)


def test_halves_side_by_side_change_nothing() -> None:
    text = jax.random.normal(jax.random.key(5), (17, 1, 16))
    one_by_one = apply(head(chunk=1), PARAMS, FEATURES, text, 2)
    tolerance.assert_close(apply(head(), PARAMS, FEATURES, text, 2), one_by_one, atol=1e-5)


@pytest.mark.parametrize("pooling", [1, 2])
def test_bfloat16_is_near(pooling: int) -> None:
    plain = apply(head(), PARAMS, FEATURES, TEXT, pooling)
    half = apply(head(dtype=jnp.bfloat16), PARAMS, FEATURES, TEXT, pooling)
    assert half.dtype == jnp.float32
    assert np.abs(half - plain).max() < 0.05 * np.abs(plain).max()
    assert np.abs(half - plain).max() > 0


def test_a_prior_is_the_first_probability_of_every_class() -> None:
    c = micro_dict()
    c.head.prior_prob = 0.01
    start = SegmentationHead(from_config_dict(c).head, jnp.float32, 32, "none")
    params = jax.jit(start.init, static_argnums=3)(jax.random.key(1), FEATURES, TEXT, 1)
    tolerance.assert_close(
        jax.nn.sigmoid(apply(start, params, FEATURES, TEXT, 1)), np.float32(0.01), atol=1e-6
    )
    assert np.ptp(apply(head(), PARAMS, FEATURES, TEXT, 1)) > 1e-3  # without one, chance decides
