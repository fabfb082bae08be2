"""GELU and quick GELU, the activations of CLIP's MLPs."""

import math

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from hclip_jax.ops import backend


def quick_gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`x * sigmoid(1.702 x)`, the approximation of GELU that OpenAI's CLIP uses."""
    return x * jax.nn.sigmoid(1.702 * x)


def gelu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`x * Phi(x)`, Phi the standard normal CDF, by erf as in PyTorch.

    `jax.nn.gelu(approximate=False)` uses erfc instead. Its series is longer, and XLA on CPUs stores
    intermediate arrays of the size of x for its gradient.
    """
    return gelu_in_one_pass(x) if backend.on_cpu() else x * _normal_cdf(x)


def _normal_cdf(x: Array) -> Array:
    return 0.5 * (1 + jax.lax.erf(x * math.sqrt(0.5)))


@jax.custom_vjp
def gelu_in_one_pass(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`gelu` with dx = dy (Phi(x) + x phi(x)), phi the standard normal density, in one pass over x.

    Kernels of ops/tpu need it too: JAX's own gradient of erf asks for an accuracy that they do not have.
    """
    return x * _normal_cdf(x)


def _gelu_fwd(x: Array) -> tuple[Array, Array]:
    return gelu_in_one_pass(x), x


def _gelu_bwd(x: Array, dy: Array) -> tuple[Array]:
    density = jnp.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
    return (dy * (_normal_cdf(x) + x * density),)


gelu_in_one_pass.defvjp(_gelu_fwd, _gelu_bwd)
