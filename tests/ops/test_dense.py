from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from jax import Array

from hclip_jax.analysis.benchmark.flops import count_flops
from hclip_jax.ops.dense import Dense
from tests import tolerance
from tests.gradients import value_and_gradients


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4, 5, 3)])
@pytest.mark.parametrize("use_bias", [True, False])
def test_the_layer_and_its_gradients_equal_those_of_flax(shape: tuple[int, ...], use_bias: bool) -> None:
    x = jax.random.normal(jax.random.key(0), shape)
    ours, theirs = Dense(4, jnp.float32, use_bias), nn.Dense(4, use_bias)
    params = theirs.init(jax.random.key(1), x)
    assert jax.tree.structure(ours.init(jax.random.key(1), x)) == jax.tree.structure(params)
    got, want = (value_and_gradients(layer.apply, params, x) for layer in (ours, theirs))
    tolerance.assert_close(got, want, atol=1e-5)


def test_activations_have_the_given_dtype_and_gradients_that_of_the_parameters() -> None:
    layer, x = Dense(4, jnp.bfloat16), jnp.ones((2, 3))
    params: Any = layer.init(jax.random.key(0), x)

    def total(params: Any) -> Array:
        y: Any = layer.apply(params, x)
        assert y.dtype == jnp.bfloat16
        return y.astype(jnp.float32).sum()

    gradient = jax.grad(total)(params)
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype("float32")}


def test_a_frozen_kernel_has_no_gradient_product() -> None:
    layer, x = Dense(4, jnp.float32, use_bias=False), jnp.ones((2, 3))
    params: Any = layer.init(jax.random.key(0), x)

    def total(params: Any, x: Array) -> Array:
        y: Any = layer.apply(params, x)
        return y.sum()

    product = 2.0 * 2 * 3 * 4
    assert count_flops(jax.grad(total, argnums=1), params, x) == 2 * product
    assert count_flops(jax.grad(total, argnums=(0, 1)), params, x) == 3 * product
