"""Normalisation as PyTorch defines it, computed in float32 and returned as `dtype`."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

EPSILON = 1e-5  # PyTorch's; Flax has 1e-6


class LayerNorm(nn.Module):
    """Normalisation over the last axis: [..., D] -> [..., D]."""

    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return _scale_and_shift(self, _standardize(x, (-1,)))


class GroupNorm(nn.Module):
    """Normalisation over the pixels and channels of each group: [n, h, w, C] -> [n, h, w, C]."""

    groups: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        grouped = x.reshape(*x.shape[:-1], self.groups, -1)
        return _scale_and_shift(self, _standardize(grouped, (1, 2, 4)).reshape(x.shape))


def _standardize(x: Array, axes: tuple[int, ...]) -> Array:
    x = x.astype(jnp.float32)
    x = x - x.mean(axes, keepdims=True)
    # The mean of squares of what is already centred: E[x^2] - E[x]^2 loses digits.
    return x * jax.lax.rsqrt((x * x).mean(axes, keepdims=True) + EPSILON)


def _scale_and_shift(module: Any, x: Array) -> Array:
    expand = (None,) * (x.ndim - 1)
    scale = module.param("scale", nn.initializers.ones, x.shape[-1:])[expand]
    bias = module.param("bias", nn.initializers.zeros, x.shape[-1:])[expand]
    return (x * scale + bias).astype(module.dtype)
