import jax
import jax.numpy as jnp
import numpy as np

from hclip_jax.segmenter.layers import GuidedDense, UpsampleBy
from tests import tolerance


def test_guided_dense_is_one_layer_of_both() -> None:
    x = jax.random.normal(jax.random.key(0), (2, 5, 3, 3, 4))
    guidance = jax.random.normal(jax.random.key(1), (2, 1, 3, 3, 6))
    layer = GuidedDense(7, jnp.float32)
    params = layer.init(jax.random.key(2), x, guidance)["params"]
    kernel = jnp.concatenate([params["x"]["kernel"], params["guidance"]["kernel"]])
    both = jnp.concatenate([x, jnp.broadcast_to(guidance, (2, 5, 3, 3, 6))], -1)
    wanted = both @ kernel + params["guidance"]["bias"][None, None, None, None]
    tolerance.assert_close(layer.apply({"params": params}, x, guidance), wanted, atol=1e-5)
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
