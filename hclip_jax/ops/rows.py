"""Products and sums over the rows of matrices with many rows and few columns.

The gradient of every dense kernel, convolution kernel and bias is one of the two.
"""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from hclip_jax.ops import backend


def matmul_over_rows(x: Float[Array, "rows D"], y: Float[Array, "rows F"]) -> Float[Array, "D F"]:
    """x^T y: the product of two matrices summed over their rows. F is the number of columns of y."""
    return _matmul_over_rows_cpu(x, y) if backend.on_cpu() else x.T @ y


def sum_over_rows(x: Float[Array, "rows D"]) -> Float[Array, " D"]:
    """Sum of the rows of a matrix."""
    # XLA on CPUs runs a product with ones in parallel, and the sum on one core.
    return jnp.ones(len(x), x.dtype) @ x if backend.on_cpu() else x.sum(0)


def _matmul_over_rows_cpu(x: Array, y: Array) -> Array:
    """`matmul_over_rows` in two halves of the rows.

    XLA on CPUs runs one such product on one core but two on two cores, and faster if the first matrix has
    fewer columns.
    """
    if x.shape[1] > y.shape[1]:
        return _matmul_over_rows_cpu(y, x).T
    if len(x) % 2:
        return x.T @ y
    x, y = (a.reshape(2, -1, a.shape[1]) for a in (x, y))
    return jnp.einsum("hnc,hnf->hcf", x, y).sum(0)
