"""Normalisation as PyTorch defines it, computed in float32 and returned as `dtype`."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

EPSILON = 1e-5  # PyTorch's; Flax has 1e-6


class LayerNorm(nn.LayerNorm):
    """Normalisation over the last axis: [..., D] -> [..., D]."""

    epsilon: float = EPSILON
    use_fast_variance: bool = False  # E[x^2] - E[x]^2 loses digits

    def __call__(self, x: Array) -> Array:
        return super().__call__(x.astype(jnp.float32))


class GroupNorm(nn.GroupNorm):
    """Normalisation over pixels and channels of each group: [n, h, w, C] -> [n, h, w, C]."""

    epsilon: float = EPSILON
    use_fast_variance: bool = False

    def __call__(self, x: Array) -> Array:
        return super().__call__(x.astype(jnp.float32))
