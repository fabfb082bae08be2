"""The dense layer of the whole system, with a gradient that is fast for arrays of many axes."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array


class Dense(nn.Module):
    """`flax.linen.Dense` that reads its input as rows.

    The gradient of a product of five axes, left as it is, costs XLA on CPUs four times that of the same
    product of two.
    """

    features: int
    dtype: Any
    use_bias: bool = True
    kernel_init: Any = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[..., C] -> [..., features]."""
        kernel = self.param("kernel", self.kernel_init, (x.shape[-1], self.features), jnp.float32)
        y = _times(x.reshape(-1, x.shape[-1]).astype(self.dtype), kernel.astype(self.dtype))
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y = add_bias(y, bias.astype(self.dtype))
        return y.reshape(*x.shape[:-1], self.features)


@jax.custom_vjp
def _times(x: Array, kernel: Array) -> Array:
    """[n, C] @ [C, F]."""
    return x @ kernel


def _times_forward(x: Any, kernel: Any) -> tuple[Array, tuple[Array | None, Array]]:
    # A frozen kernel needs no gradient, and x need not be kept for it. Not `_times`: recompute.py looks for
    # products, and sees none in what has a gradient of its own.
    return x.value @ kernel.value, (x.value if kernel.perturbed else None, kernel.value)


def _times_backward(saved: tuple[Array | None, Array], g: Array) -> tuple[Array, Array | None]:
    x, kernel = saved
    return g @ kernel.T, None if x is None else matmul_over_rows(x, g)


_times.defvjp(_times_forward, _times_backward, symbolic_zeros=True)


def matmul_over_rows(x: Array, y: Array) -> Array:
    """[n, C] and [n, F] -> [C, F]: x^T y, with many rows and few columns.

    XLA on CPUs runs such a product on one core, but two of them on two, and sooner if the first has fewer
    columns.
    """
    if x.shape[1] > y.shape[1]:
        return matmul_over_rows(y, x).T
    if len(x) % 2 or jax.default_backend() != "cpu":
        return x.T @ y
    x, y = (a.reshape(2, -1, a.shape[1]) for a in (x, y))
    return jnp.einsum("hnc,hnf->hcf", x, y).sum(0)


@jax.custom_vjp
def add_bias(x: Array, bias: Array) -> Array:
    """[n, C] + [C].

    The compiler's gradient of the bias computes anew all that led to the gradient of x, in one thread: it
    took half the time of a Swin block.
    """
    return x + bias[None]


def _forward(x: Array, bias: Array) -> tuple[Array, None]:
    return add_bias(x, bias), None


def _backward(_: None, g: Array) -> tuple[Array, Array]:
    return g, sum_over_rows(g)


def sum_over_rows(x: Array) -> Array:
    """[n, C] -> [C], as a product with ones, which runs in parallel."""
    return jnp.ones(len(x), x.dtype) @ x


add_bias.defvjp(_forward, _backward)
