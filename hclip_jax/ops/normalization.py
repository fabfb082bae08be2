"""Normalisation as PyTorch defines it, computed in float32 and returned as `dtype`."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax.ops.dense import sum_over_rows

EPSILON = 1e-5  # PyTorch's; Flax has 1e-6


class LayerNorm(nn.Module):
    """Normalisation over the last axis: [..., D] -> [..., D]."""

    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        scale, bias = _scale_and_bias(self, x)
        rows = _normalize_rows(x.reshape(-1, x.shape[-1]).astype(jnp.float32), scale, bias)
        return rows.reshape(x.shape).astype(self.dtype)


class GroupNorm(nn.Module):
    """Normalisation over the pixels and channels of each group: [n, h, w, C] -> [n, h, w, C]."""

    groups: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        scale, bias = _scale_and_bias(self, x)
        pixels = x.reshape(len(x), -1, x.shape[-1]).astype(jnp.float32)
        return _normalize_groups(pixels, scale, bias, self.groups).reshape(x.shape).astype(self.dtype)


def l2_normalize(x: Array) -> Array:
    """`x` in float32 with its last axis scaled to length 1."""
    x = x.astype(jnp.float32)
    # The floor is that of PyTorch's normalize: zero vectors stay zero and have finite gradients.
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, 1e-24))


def _scale_and_bias(module: nn.Module, x: Array) -> tuple[Array, Array]:
    scale = module.param("scale", nn.initializers.ones, x.shape[-1:])
    return scale, module.param("bias", nn.initializers.zeros, x.shape[-1:])


def _standardize(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """X with mean 0 and variance 1 over `axes`, and what it was multiplied by."""
    x = x - x.mean(axes, keepdims=True)
    # The mean of squares of what is already centred: E[x^2] - E[x]^2 loses digits.
    factor = jax.lax.rsqrt((x * x).mean(axes, keepdims=True) + EPSILON)
    return x * factor, factor


@jax.custom_vjp
def _normalize_rows(x: Array, scale: Array, bias: Array) -> Array:
    """[n, D] -> [n, D], with a gradient of few passes: the compiler's own takes four times as long."""
    return _standardize(x, (1,))[0] * scale[None] + bias[None]


def _rows_forward(x: Array, scale: Array, bias: Array) -> tuple[Array, tuple[Array, Array]]:
    return _normalize_rows(x, scale, bias), (x, scale)


def _rows_backward(saved: tuple[Array, Array], g: Array) -> tuple[Array, Array, Array]:
    x, scale = saved
    standard, factor = _standardize(x, (1,))
    slope = g * scale[None]
    along = (slope * standard).mean(1, keepdims=True)
    across = slope - slope.mean(1, keepdims=True) - standard * along
    return factor * across, sum_over_rows(g * standard), sum_over_rows(g)


_normalize_rows.defvjp(_rows_forward, _rows_backward)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _normalize_groups(x: Array, scale: Array, bias: Array, groups: int) -> Array:
    """[n, N, C] -> [n, N, C], normalised over N and the channels of each group."""
    return _standardize_groups(x, groups)[0] * scale[None, None] + bias[None, None]


def _standardize_groups(x: Array, groups: int) -> tuple[Array, Array]:
    """X with mean 0 and variance 1, and what it was multiplied by, [n, 1, C]."""
    x = x - _group_means(x, groups)
    factor = jax.lax.rsqrt(_group_means(x * x, groups) + EPSILON)
    return x * factor, factor


def _group_means(x: Array, groups: int) -> Array:
    """[n, N, C] -> [n, 1, C], alike within a group."""
    n, pixels, channels = x.shape
    means = (jnp.ones((n, 1, pixels)) @ x).reshape(n, groups, -1).mean(2) / pixels
    return jnp.repeat(means, channels // groups, axis=1)[:, None]


def _groups_forward(x: Array, scale: Array, bias: Array, groups: int) -> tuple[Array, tuple[Array, Array]]:
    return _normalize_groups(x, scale, bias, groups), (x, scale)


def _groups_backward(groups: int, saved: tuple[Array, Array], g: Array) -> tuple[Array, Array, Array]:
    x, scale = saved
    standard, factor = _standardize_groups(x, groups)
    slope, rows = g * scale[None, None], (-1, x.shape[-1])
    along = _group_means(slope * standard, groups)
    across = slope - _group_means(slope, groups) - standard * along
    return factor * across, sum_over_rows((g * standard).reshape(rows)), sum_over_rows(g.reshape(rows))


_normalize_groups.defvjp(_groups_forward, _groups_backward)
