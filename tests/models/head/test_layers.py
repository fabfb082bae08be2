from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from hclip_jax.models.head.layers import GuidedDense, UpsampleBy, UpsampledConv
from hclip_jax.ops.conv import conv2d, conv2d_transpose
from tests import tolerance
from tests.gradients import value_and_gradients


def test_guided_dense_is_one_layer_of_both_inputs() -> None:
    x = jax.random.normal(jax.random.key(0), (2, 5, 3, 3, 4))
    guidance = jax.random.normal(jax.random.key(1), (2, 1, 3, 3, 6))
    layer = GuidedDense(7, 4 + 6, jnp.float32)
    apply = lambda layer: layer(x, layer.project_guidance(guidance))  # noqa: E731
    params: Any = nn.init(apply, layer)(jax.random.key(2))["params"]
    kernel = jnp.concatenate([params["x"]["kernel"], params["guidance"]["kernel"]])
    both = jnp.concatenate([x, jnp.broadcast_to(guidance, (2, 5, 3, 3, 6))], -1)
    want = both @ kernel + params["guidance"]["bias"][None, None, None, None]
    tolerance.assert_close(nn.apply(apply, layer)({"params": params}), want, atol=1e-5)
    # The initial range is that of the joint layer.
    assert np.abs(kernel).max() <= 10**-0.5


def test_upsampling_is_a_transposed_convolution() -> None:
    x = jax.random.normal(jax.random.key(0), (2, 3, 4, 5))
    layer = UpsampleBy(2, 6, jnp.float32)
    params: Any = layer.init(jax.random.key(1), x)["params"]
    want = jax.lax.conv_transpose(
        x,
        params["kernel"][::-1, ::-1],
        (2, 2),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    tolerance.assert_close(layer.apply({"params": params}, x), want, atol=1e-5)


def test_upsampling_and_a_convolution_are_one_layer() -> None:
    x = jax.random.normal(jax.random.key(0), (2, 3, 4, 5))
    layer = UpsampledConv(5, 6, 7)
    params: Any = layer.init(jax.random.key(1), (6, 8))["params"]
    params["up_bias"] = jax.random.normal(jax.random.key(2), (6,))

    def one_layer(params: dict, x: jax.Array) -> jax.Array:
        result: Any = layer.apply({"params": params}, (6, 8))
        kernel, bias_map = result
        return conv2d_transpose(x, kernel) + bias_map

    def two_layers(params: dict, x: jax.Array) -> jax.Array:
        up = {"kernel": params["up_kernel"], "bias": params["up_bias"]}
        y: Any = UpsampleBy(2, 6, jnp.float32).apply({"params": up}, x)
        return conv2d(y, params["kernel"])

    got, want = (value_and_gradients(f, params, x) for f in (one_layer, two_layers))
    tolerance.assert_close(got, want, atol=1e-4, rtol=1e-5)
