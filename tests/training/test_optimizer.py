from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from hclip_jax.training.optimizer import decay_mask, make_optimizer, schedule
from tests.small_models import micro

PARAMS = {
    "adapters": {"layer": jnp.ones((2, 2))},
    "head": {
        "norm1": {"scale": jnp.ones(2)},
        "fc1": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)},
    },
}


def updates(gradient: Any, **train: Any) -> Any:
    config = micro(trainable=("adapters", "head"), **train).train
    optimizer = make_optimizer(config)
    with jax.numpy_dtype_promotion("standard"):
        return optimizer.update(gradient, optimizer.init(PARAMS), PARAMS)[0]


def test_cosine_to_zero_without_warm_up() -> None:
    rate = schedule(micro(num_train_steps=8, learning_rate=2.0).train)
    with jax.numpy_dtype_promotion("standard"):
        got = [float(jnp.asarray(rate(step))) for step in range(9)]
    np.testing.assert_allclose(got, 1 + np.cos(np.pi * np.arange(9) / 8), atol=1e-6)


def test_warm_up_is_linear_and_comes_first() -> None:
    rate = schedule(micro(num_train_steps=8, learning_rate=2.0, warmup_steps=4).train)
    with jax.numpy_dtype_promotion("standard"):
        got = [float(jnp.asarray(rate(step))) for step in range(9)]
    np.testing.assert_allclose(got[:5], [0, 0.5, 1, 1.5, 2], atol=1e-6)
    np.testing.assert_allclose(got[4:], 1 + np.cos(np.pi * np.arange(5) / 4), atol=1e-6)


def test_parts_have_their_own_rate() -> None:
    ones = jax.tree.map(jnp.ones_like, PARAMS)
    got = updates(ones, weight_decay=0.0, max_grad_norm=1e9)
    np.testing.assert_allclose(got["head"]["fc1"]["kernel"], -1e-2, rtol=1e-4)
    np.testing.assert_allclose(got["adapters"]["layer"], -1e-2 * 0.01, rtol=1e-4)


def test_all_but_normalisation_decays() -> None:
    zeros = jax.tree.map(jnp.zeros_like, PARAMS)
    got = updates(zeros, weight_decay=0.5)
    np.testing.assert_allclose(got["head"]["fc1"]["bias"], -1e-2 * 0.5, rtol=1e-5)
    np.testing.assert_array_equal(got["head"]["norm1"]["scale"], 0)
    assert decay_mask(PARAMS)["adapters"]["layer"]


def test_the_norm_of_all_parts_together_is_clipped() -> None:
    """Adam is invariant to a common factor, so the first moment shows the clipping."""
    config = micro(trainable=("adapters", "head"), max_grad_norm=1.0, weight_decay=0.0).train
    optimizer = make_optimizer(config)
    small = jax.tree.map(lambda x: 0.01 * jnp.ones_like(x), PARAMS)
    # Only the head is long: clipped by the joint norm, the adapters' gradient shrinks with it.
    large = {**small, "head": jax.tree.map(lambda x: 100.0 * jnp.ones_like(x), PARAMS["head"])}
    state = optimizer.init(PARAMS)
    with jax.numpy_dtype_promotion("standard"):
        _, state = optimizer.update(large, state, PARAMS)
    moment: Any = optax.tree.get(state, "mu")
    joint = np.sqrt(sum((np.asarray(x) ** 2).sum() for x in jax.tree.leaves(large)))
    np.testing.assert_allclose(moment["adapters"]["layer"], 0.1 * 0.01 / joint, rtol=1e-4)
