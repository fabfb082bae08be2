import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from hclip_jax.models.head.layers import GuidedDense, UpsampleBy, UpsampledConv
from hclip_jax.ops.conv import conv2d, conv2d_transpose
from tests import tolerance
from tests.gradients import value_and_gradients


def test_guided_dense_is_one_layer_of_both() -> None:
    x = jax.random.normal(jax.random.key(0), (2, 5, 3, 3, 4))
    guidance = jax.random.normal(jax.random.key(1), (2, 1, 3, 3, 6))
    layer = GuidedDense(7, 4 + 6, jnp.float32)
    apply = lambda layer: layer(x, layer.guide(guidance))  # noqa: E731
    params = nn.init(apply, layer)(jax.random.key(2))["params"]
    kernel = jnp.concatenate([params["x"]["kernel"], params["guidance"]["kernel"]])
    both = jnp.concatenate([x, jnp.broadcast_to(guidance, (2, 5, 3, 3, 6))], -1)
    wanted = both @ kernel + params["guidance"]["bias"][None, None, None, None]
    tolerance.assert_close(nn.apply(apply, layer)({"params": params}), wanted, atol=1e-5)
    # The initial range is that of the joint layer.
    assert np.abs(kernel).max() <= 10**-0.5


def test_upsampling_is_a_transposed_convolution() -> None:
    x = jax.random.normal(jax.random.key(0), (2, 3, 4, 5))
    layer = UpsampleBy(2, 6, jnp.float32)
    params = layer.init(jax.random.key(1), x)["params"]
    wanted = jax.lax.conv_transpose(
        x,
        params["kernel"][::-1, ::-1],
        (2, 2),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    tolerance.assert_close(layer.apply({"params": params}, x), wanted, atol=1e-5)


def test_upsampling_and_a_convolution_are_one_layer() -> None:
    x = jax.random.normal(jax.random.key(0), (2, 3, 4, 5))
    layer = UpsampledConv(5, 6, 7)
    params = layer.init(jax.random.key(1), (6, 8))["params"]
    params["up_bias"] = jax.random.normal(jax.random.key(2), (6,))

    def at_once(params: dict, x: jax.Array) -> jax.Array:
        kernel, edge = layer.apply({"params": params}, (6, 8))
        return conv2d_transpose(x, kernel) + edge

    def one_by_one(params: dict, x: jax.Array) -> jax.Array:
        up = {"kernel": params["up_kernel"], "bias": params["up_bias"]}
        y = UpsampleBy(2, 6, jnp.float32).apply({"params": up}, x)
        return conv2d(y, params["kernel"])

    ours, theirs = (value_and_gradients(f, params, x) for f in (at_once, one_by_one))
    tolerance.assert_close(ours, theirs, atol=1e-4, rtol=1e-5)
