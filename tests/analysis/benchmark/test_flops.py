from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import Array
from jax.experimental import pallas as pl

from hclip_jax.analysis.benchmark.flops import count_flops, jaxpr_flops


def products(x: Array, w: Array) -> Array:
    return (jnp.einsum("bnc,cd->bnd", x, w) ** 2).sum()


def convolution(x: Array, w: Array) -> Array:
    kernel = w[None, None, :4, :6]
    dimensions = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x[None], kernel, (1, 1), "SAME", dimension_numbers=dimensions).sum()


@pytest.mark.parametrize("function", [products, jax.grad(products, argnums=(0, 1))])
def test_without_loops_the_count_is_that_of_the_compiler(function: Any) -> None:
    x, w = jnp.ones((8, 32, 64)), jnp.ones((64, 48))
    compiler: Any = jax.jit(function).lower(x, w).compile().cost_analysis()
    assert count_flops(function, x, w) == pytest.approx(compiler["flops"], rel=0.05)


def test_convolutions_count_every_kernel_entry() -> None:
    x, w = jnp.ones((16, 16, 4)), jnp.ones((4, 6))
    assert count_flops(convolution, x, w) == 2 * 16 * 16 * 4 * 6


def test_every_iteration_of_a_loop_counts() -> None:
    w = jnp.ones((16, 16))

    def looped(w: Array) -> Array:
        return jax.lax.scan(lambda x, _: (x @ w, None), w, length=7)[0]

    assert count_flops(looped, w) == 7 * 2 * 16**3
    recomputed = jax.grad(lambda w: jax.checkpoint(lambda w: jnp.sin(w @ w))(w).sum())
    assert count_flops(recomputed, w) == 4 * 2 * 16**3  # forward, recomputation, and two for the gradient


def test_a_kernel_counts_for_every_part_of_its_grid() -> None:
    def square(x: Any, y: Any) -> None:
        y[...] = x[...] @ x[...]

    def squares(x: Array) -> Array:
        spec = pl.BlockSpec((None, 16, 16), lambda i: (i, 0, 0))
        return pl.pallas_call(square, grid=(len(x),), in_specs=[spec], out_specs=spec, out_shape=x)(x)

    assert count_flops(squares, jnp.ones((5, 16, 16))) == 5 * 2 * 16**3


def test_zeros_between_the_inputs_of_a_transposed_convolution_do_not_count() -> None:
    def upsample(x: Array, kernel: Array) -> Array:
        dimensions = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_transpose(x, kernel, (2, 2), ((2, 2), (2, 2)), dimension_numbers=dimensions)

    x, kernel = jnp.ones((1, 32, 32, 4)), jnp.ones((4, 4, 4, 6))
    assert count_flops(upsample, x, kernel) == 2 * 32 * 32 * 4 * 4 * 4 * 6


@pytest.mark.parametrize(
    ("dtype", "precision", "want"),
    [
        (jnp.float32, jax.lax.Precision.DEFAULT, 1),
        (jnp.float32, jax.lax.Precision.HIGH, 3),
        (jnp.float32, jax.lax.Precision.HIGHEST, 6),
        (jnp.bfloat16, jax.lax.Precision.HIGHEST, 1),  # exact in one pass
    ],
)
def test_passes_of_a_product(dtype: Any, precision: Any, want: int) -> None:
    x = jnp.ones((4, 4), dtype)
    jaxpr = jax.make_jaxpr(lambda x: jnp.matmul(x, x, precision=precision))(x).jaxpr
    assert jaxpr_flops(jaxpr) == 2 * 4**3
    assert jaxpr_flops(jaxpr, passes=True) == want * 2 * 4**3
