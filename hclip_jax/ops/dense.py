"""The dense layer of both towers and the head."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from hclip_jax.ops import backend
from hclip_jax.ops.rows import matmul_over_rows, sum_over_rows


class Dense(nn.Module):
    """`flax.linen.Dense` on an input reshaped to rows.

    XLA on CPUs takes four times as long for the gradient of a product of five axes as for that of two.
    """

    features: int
    dtype: Any
    use_bias: bool = True
    kernel_init: Any = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: Float[Array, "*rows D"]) -> Float[Array, "*rows F"]:
        """`x @ kernel + bias` over the last axis, in `dtype`. F is `features`."""
        kernel = self.param("kernel", self.kernel_init, (x.shape[-1], self.features), jnp.float32)
        y = matmul(x.reshape(-1, x.shape[-1]).astype(self.dtype), kernel.astype(self.dtype))
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y = add_bias(y, bias.astype(self.dtype))
        return y.reshape(*x.shape[:-1], self.features)


def matmul(x: Float[Array, "rows D"], kernel: Float[Array, "D F"]) -> Float[Array, "rows F"]:
    """`x @ kernel`. F is the number of output features."""
    return _matmul_cpu(x, kernel) if backend.on_cpu() else x @ kernel


def add_bias(x: Float[Array, "rows D"], bias: Float[Array, " D"]) -> Float[Array, "rows D"]:
    """`x + bias`, the bias broadcast over the rows."""
    return _add_bias_cpu(x, bias) if backend.on_cpu() else x + bias[None]


@jax.custom_vjp
def _matmul_cpu(x: Array, kernel: Array) -> Array:
    """`matmul` with dx = dy kernel^T and dkernel = x^T dy, the latter by `matmul_over_rows`.

    A frozen kernel gets no gradient, and x is not stored for it.
    """
    return x @ kernel


def _matmul_fwd(x: Any, kernel: Any) -> tuple[Array, tuple[Array | None, Array]]:
    # Not `_matmul_cpu`: the remat policy "dots" saves matrix products, and finds none inside a custom_vjp.
    return x.value @ kernel.value, (x.value if kernel.perturbed else None, kernel.value)


def _matmul_bwd(saved: tuple[Array | None, Array], dy: Array) -> tuple[Array, Array | None]:
    x, kernel = saved
    return dy @ kernel.T, None if x is None else matmul_over_rows(x, dy)


_matmul_cpu.defvjp(_matmul_fwd, _matmul_bwd, symbolic_zeros=True)


@jax.custom_vjp
def _add_bias_cpu(x: Array, bias: Array) -> Array:
    """`add_bias` with dx = dy and dbias = the sum of the rows of dy, by `sum_over_rows`.

    For XLA's own dbias a CPU repeats the computation of dy in one thread, which took half the time of a Swin
    block.
    """
    return x + bias[None]


def _add_bias_fwd(x: Array, bias: Array) -> tuple[Array, None]:
    return _add_bias_cpu(x, bias), None


def _add_bias_bwd(_: None, dy: Array) -> tuple[Array, Array]:
    return dy, sum_over_rows(dy)


_add_bias_cpu.defvjp(_add_bias_fwd, _add_bias_bwd)
