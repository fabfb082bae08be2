"""Layer, group and L2 normalization as PyTorch defines them, computed in float32."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float32

from hclip_jax.ops import backend
from hclip_jax.ops.rows import sum_over_rows
from hclip_jax.ops.types import AnyArray

EPSILON = 1e-5  # PyTorch's default; Flax has 1e-6


class LayerNorm(nn.Module):
    """Normalization over the last axis; the result has `dtype`."""

    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "*rows D"]) -> Float[Array, "*rows D"]:
        """`layer_norm` with trained scale and bias."""
        scale, bias = _scale_and_bias(self, x)
        rows = layer_norm(x.reshape(-1, x.shape[-1]).astype(jnp.float32), scale, bias)
        return rows.reshape(x.shape).astype(self.dtype)


class GroupNorm(nn.Module):
    """Normalization over the pixels and the channels of each group; the result has `dtype`."""

    num_groups: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "n h w C"]) -> Float[Array, "n h w C"]:
        """`group_norm` of each of n images with trained scale and bias."""
        scale, bias = _scale_and_bias(self, x)
        pixels = x.reshape(len(x), -1, x.shape[-1]).astype(jnp.float32)
        return group_norm(pixels, scale, bias, self.num_groups).reshape(x.shape).astype(self.dtype)


def _scale_and_bias(module: nn.Module, x: Array) -> tuple[Array, Array]:
    scale = module.param("scale", nn.initializers.ones, x.shape[-1:])
    return scale, module.param("bias", nn.initializers.zeros, x.shape[-1:])


def l2_normalize(x: Float[AnyArray, "*batch D"]) -> Float32[Array, "*batch D"]:
    """`x` in float32 with its last axis scaled to length 1."""
    x = jnp.asarray(x, jnp.float32)
    # The lower bound is that of PyTorch's normalize: zero vectors stay zero and have finite gradients.
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, 1e-24))


def layer_norm(
    x: Float32[Array, "rows D"], scale: Float32[Array, " D"], bias: Float32[Array, " D"]
) -> Float32[Array, "rows D"]:
    """x_hat * scale + bias, x_hat being x with mean 0 and variance 1 in each row."""
    if backend.on_cpu():
        return _layer_norm_cpu(x, scale, bias)
    mean, variance = x.mean(1, keepdims=True), x.var(1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + EPSILON) * scale[None] + bias[None]


def group_norm(
    x: Float32[Array, "n N C"], scale: Float32[Array, " C"], bias: Float32[Array, " C"], num_groups: int
) -> Float32[Array, "n N C"]:
    """x_hat * scale + bias, x_hat being x with mean 0 and variance 1 in each group of each of n images.

    A group holds C / num_groups channels of all N pixels.
    """
    if backend.on_cpu():
        return _group_norm_cpu(x, scale, bias, num_groups)
    # First over pixels, then over a group's channels: an array with an axis of groups would be copied from
    # and to the layout of the convolutions, a fifth of what a step moved through a TPU's memory.
    x = x - _mean_of_groups(x.mean(1), num_groups)
    variance = _mean_of_groups((x * x).mean(1), num_groups)
    return x * (jax.lax.rsqrt(variance + EPSILON) * scale[None, None]) + bias[None, None]


def _mean_of_groups(x: Array, num_groups: int) -> Array:
    """Mean over each channel's group, [n, 1, C], from x [n, C]."""
    means = x.reshape(len(x), num_groups, -1).mean(2)
    return jnp.repeat(means, x.shape[1] // num_groups, axis=1)[:, None]


@jax.custom_vjp
def _layer_norm_cpu(x: Array, scale: Array, bias: Array) -> Array:
    """`layer_norm` with a gradient of few passes over x; XLA's own takes four times as long on CPUs.

    dx_hat = dy * scale
    dx     = rstd * (dx_hat - mean(dx_hat) - x_hat * mean(dx_hat * x_hat)),  means over the row
    dscale = sum over rows of dy * x_hat
    dbias  = sum over rows of dy
    """
    return _standardize_rows(x)[0] * scale[None] + bias[None]


def _standardize_rows(x: Array) -> tuple[Array, Array]:
    """Returns (x_hat, rstd): rows with mean 0 and variance 1, and 1 / standard deviation of each, [n, 1]."""
    x = x - x.mean((1,), keepdims=True)
    # The mean of squares of centred values: E[x^2] - E[x]^2 loses digits.
    rstd = jax.lax.rsqrt((x * x).mean((1,), keepdims=True) + EPSILON)
    return x * rstd, rstd


def _layer_norm_fwd(x: Array, scale: Array, bias: Array) -> tuple[Array, tuple[Array, Array]]:
    return _layer_norm_cpu(x, scale, bias), (x, scale)


def _layer_norm_bwd(saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array, Array]:
    x, scale = saved
    x_hat, rstd = _standardize_rows(x)
    dx_hat = dy * scale[None]
    projection = (dx_hat * x_hat).mean(1, keepdims=True)
    dx = rstd * (dx_hat - dx_hat.mean(1, keepdims=True) - x_hat * projection)
    return dx, sum_over_rows(dy * x_hat), sum_over_rows(dy)


_layer_norm_cpu.defvjp(_layer_norm_fwd, _layer_norm_bwd)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _group_norm_cpu(x: Array, scale: Array, bias: Array, num_groups: int) -> Array:
    """`group_norm` with the gradient of `_layer_norm_cpu`, its means over groups instead of rows."""
    return _standardize_groups(x, num_groups)[0] * scale[None, None] + bias[None, None]


def _standardize_groups(x: Array, num_groups: int) -> tuple[Array, Array]:
    """Returns (x_hat, rstd) like `_standardize_rows`, for groups: rstd is [n, 1, C]."""
    x = x - _group_means(x, num_groups)
    rstd = jax.lax.rsqrt(_group_means(x * x, num_groups) + EPSILON)
    return x * rstd, rstd


def _group_means(x: Array, num_groups: int) -> Array:
    """Mean of each channel's group, [n, 1, C], from x [n, N, C]."""
    n, pixels, _ = x.shape
    # A product with ones sums over the pixels in parallel, see `sum_over_rows`.
    return _mean_of_groups((jnp.ones((n, 1, pixels)) @ x)[:, 0] / pixels, num_groups)


def _group_norm_fwd(
    x: Array, scale: Array, bias: Array, num_groups: int
) -> tuple[Array, tuple[Array, Array]]:
    return _group_norm_cpu(x, scale, bias, num_groups), (x, scale)


def _group_norm_bwd(num_groups: int, saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array, Array]:
    x, scale = saved
    x_hat, rstd = _standardize_groups(x, num_groups)
    dx_hat, rows = dy * scale[None, None], (-1, x.shape[-1])
    projection = _group_means(dx_hat * x_hat, num_groups)
    dx = rstd * (dx_hat - _group_means(dx_hat, num_groups) - x_hat * projection)
    return dx, sum_over_rows((dy * x_hat).reshape(rows)), sum_over_rows(dy.reshape(rows))


_group_norm_cpu.defvjp(_group_norm_fwd, _group_norm_bwd)
