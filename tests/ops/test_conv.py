import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from hclip_jax.ops.conv import conv2d, conv2d_transpose
from tests import tolerance


def plain(x: Array, kernel: Array) -> Array:
    """The compiler's own, gradient and all."""
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@pytest.mark.parametrize(
    ("side", "wide", "features"),
    [(3, 5, 2), (3, 2, 5), (3, 4, 4), (3, 1, 4), (7, 1, 3), (7, 1, 9), (1, 3, 2)],
)
def test_convolution_and_gradient_are_the_plain_ones(side: int, wide: int, features: int) -> None:
    rng = np.random.default_rng(0)
    x, kernel, weight = (
        jnp.asarray(rng.standard_normal(shape), jnp.float32)
        for shape in ((2, 6, 9, wide), (side, side, wide, features), (2, 6, 9, features))
    )

    def loss(function, x: Array, kernel: Array) -> Array:
        return (function(x, kernel) * weight).sum()

    np.testing.assert_allclose(conv2d(x, kernel), plain(x, kernel), atol=1e-5)
    ours, theirs = (
        jax.jit(jax.grad(lambda x, kernel, f=f: loss(f, x, kernel), argnums=(0, 1)))(x, kernel)
        for f in (conv2d, plain)
    )
    for own, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-5)


def test_convolve_up_is_a_transposed_convolution() -> None:
    rng = np.random.default_rng(0)
    x, kernel, weight = (
        jnp.asarray(rng.standard_normal(shape), jnp.float32)
        for shape in ((2, 5, 3, 4), (4, 4, 4, 6), (2, 10, 6, 6))
    )

    def transposed(x: Array, kernel: Array) -> Array:
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_transpose(x, kernel[::-1, ::-1], (2, 2), ((2, 2), (2, 2)), None, numbers)

    def loss(function, x: Array, kernel: Array) -> Array:
        return (function(x, kernel) * weight).sum()

    tolerance.assert_close(conv2d_transpose(x, kernel), transposed(x, kernel), atol=1e-5)
    ours, theirs = (
        jax.jit(jax.grad(lambda x, kernel, f=f: loss(f, x, kernel), argnums=(0, 1)))(x, kernel)
        for f in (conv2d_transpose, transposed)
    )
    tolerance.assert_close(ours, theirs, atol=1e-4, rtol=1e-5)
