"""Matrix products inside of a kernel: operands of one dtype, sums in float32, gradients too."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float32


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def product(
    a: Float[Array, "rows depth"], b: Float[Array, "_ _"], dtype: Any, transposed: bool = False
) -> Float32[Array, "rows columns"]:
    """The product a b, or a b^T if `transposed`, of operands rounded to `dtype`.

    A gradient of JAX's own would multiply the float32 gradient of the result with operands of `dtype`, which
    the matrix unit cannot, and would round the gradient of `b` to `dtype` once a class.

    Args:
        a: the first factor.
        b: [depth, columns] or, transposed, [columns, depth].
        dtype: what the matrix unit multiplies.
        transposed: whether b is.
    """
    return _contract(a, b, dtype, 1, 1 if transposed else 0)


_ONE_PASS = (None, "default", "bfloat16")


def _contract(a: Array, b: Array, dtype: Any, axis_of_a: int, axis_of_b: int) -> Array:
    # Kernels know two precisions: any that is higher than the default becomes the highest.
    exact = dtype == jnp.float32 and jax.config.jax_default_matmul_precision not in _ONE_PASS  # pyrefly: ignore
    return jax.lax.dot_general(
        a.astype(dtype),
        b.astype(dtype),
        (((axis_of_a,), (axis_of_b,)), ((), ())),
        precision=jax.lax.Precision.HIGHEST if exact else jax.lax.Precision.DEFAULT,
        preferred_element_type=jnp.float32,
    )


def _product_fwd(a: Array, b: Array, dtype: Any, transposed: bool) -> tuple[Array, tuple[Array, Array]]:
    return product(a, b, dtype, transposed), (a, b)


def _product_bwd(dtype: Any, transposed: bool, saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    """Gradients: da = dy b^T and db = a^T dy, or, transposed, da = dy b and db = dy^T a."""
    a, b = saved
    if transposed:
        da, db = _contract(dy, b, dtype, 1, 0), _contract(dy, a, dtype, 0, 0)
    else:
        da, db = _contract(dy, b, dtype, 1, 1), _contract(a, dy, dtype, 0, 0)
    return da.astype(a.dtype), db.astype(b.dtype)


product.defvjp(_product_fwd, _product_bwd)
