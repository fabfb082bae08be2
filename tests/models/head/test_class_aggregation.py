from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from hclip_jax.models.head.class_aggregation import ClassAggregation
from tests import tolerance

X = jax.random.normal(jax.random.key(0), (2, 3, 4, 4, 8))
GUIDANCE = jax.random.normal(jax.random.key(1), (2, 3, 6))


def layer_and_params(max_classes: int) -> tuple[ClassAggregation, dict]:
    layer = ClassAggregation(8, 6, 2, max_classes, jnp.float32)
    params = jax.jit(layer.init, static_argnums=(3, 4))(jax.random.key(2), X, GUIDANCE, 1, X.shape[1])[
        "params"
    ]
    keys = jax.random.split(jax.random.key(3))
    params["padding_token"] = jax.random.normal(keys[0], (8,))
    params["padding_guidance"] = jax.random.normal(keys[1], (6,))
    return layer, params


def apply(layer: ClassAggregation, params: dict, x: jax.Array, pooling: int) -> jax.Array:
    return cast(jax.Array, layer.apply({"params": params}, x, GUIDANCE, pooling, x.shape[1]))


def published(params: dict, x: jax.Array, guidance: jax.Array, max_classes: int) -> jax.Array:
    """The published form: all padding tokens are concatenated, and their outputs are dropped."""
    num_padding = max_classes - x.shape[1]
    token = jnp.broadcast_to(params["padding_token"], (*x.shape[:1], num_padding, *x.shape[2:]))
    token_guidance = jnp.broadcast_to(params["padding_guidance"], (len(x), num_padding, guidance.shape[-1]))
    full = jnp.concatenate([x, token], 1)
    guidance = jnp.concatenate([guidance, token_guidance], 1)[:, :, None, None]
    guidance = jnp.broadcast_to(guidance, (*full.shape[:-1], guidance.shape[-1]))

    def dense(layer: dict, v: jax.Array) -> jax.Array:
        return v @ layer["kernel"] + layer["bias"]

    def guided(layer: dict, v: jax.Array) -> jax.Array:
        return v @ layer["x"]["kernel"] + dense(layer["guidance"], guidance)

    def norm(name: str, v: jax.Array) -> jax.Array:
        v = nn.standardize(v, axis=-1, epsilon=1e-5)
        return v * params[name]["scale"] + params[name]["bias"]

    split_heads = lambda v: v.reshape(*v.shape[:-1], 2, 4)  # noqa: E731
    n = norm("norm1", full)
    q, k = (split_heads(nn.elu(guided(params[name], n)) + 1) for name in ("query", "key"))
    v = split_heads(dense(params["value"], n)) / max_classes
    weights = jnp.einsum("BThwKc,BShwKc->BhwKTS", q, k)
    numerator = jnp.einsum("BhwKTS,BShwKd->BThwKd", weights, v)
    normalizer = jnp.moveaxis(weights.sum(-1), -1, 1)[..., None] + 1e-6
    y = full + (numerator / normalizer * max_classes).reshape(full.shape)
    y = y + dense(params["fc2"], nn.relu(dense(params["fc1"], norm("norm2", y))))
    return x + y[:, : x.shape[1]]


@pytest.mark.parametrize("max_classes", [3, 16])
def test_the_result_equals_the_published_form(max_classes: int) -> None:
    layer, params = layer_and_params(max_classes)
    with jax.numpy_rank_promotion("allow"):
        want = published(params, X, GUIDANCE, max_classes)
    tolerance.assert_close(apply(layer, params, X, 1), want, atol=1e-5)


def test_patches_are_independent_without_pooling() -> None:
    layer, params = layer_and_params(16)
    output = lambda x: apply(layer, params, x, 1)[0, 1, 2, 3].sum()  # noqa: E731
    gradient = np.abs(jax.jit(jax.grad(output))(X)).max(-1)
    assert (gradient[0, :, 2, 3] > 0).all()
    assert gradient.sum() == gradient[0, :, 2, 3].sum()


def test_pooling_averages_two_by_two() -> None:
    layer, params = layer_and_params(16)
    pooled = X.reshape(2, 3, 2, 2, 2, 2, 8).mean((3, 5))
    small = apply(layer, params, pooled, 1) - pooled
    large = apply(layer, params, X, 2) - X
    # The corners of the upsampled map are those of the small one.
    tolerance.assert_close(large[:, :, 0, 0], small[:, :, 0, 0], atol=1e-5)
    tolerance.assert_close(large[:, :, -1, 0], small[:, :, -1, 0], atol=1e-5)
