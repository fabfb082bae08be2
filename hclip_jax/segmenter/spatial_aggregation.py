"""Spatial aggregation: within each class, patches attend to patches of their window."""

import math
from functools import lru_cache, partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hclip_jax.attention import attend
from hclip_jax.gelu import gelu
from hclip_jax.norms import LayerNorm
from hclip_jax.segmenter.layers import Dense, GuidedDense


class SpatialAggregation(nn.Module):
    """Two Swin blocks, the second with its windows shifted by half a window."""

    width: int
    heads: int
    window: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Array, guidance: Array) -> Array:
        """Aggregates the costs of each class over the picture.

        Args:
            x: [B, T, h, w, C] costs.
            guidance: [B, h, w, G] appearance, the same for all classes.

        Returns:
            [B, T, h, w, C].
        """
        guidance = LayerNorm(dtype=self.dtype, name="guidance_norm")(guidance)
        grid = x.shape[2:4]
        window = min(self.window, *grid)
        # A window as large as the picture has nothing to shift into.
        shift = 0 if min(grid) <= self.window else window // 2
        x = SwinBlock(self.width, self.heads, window, 0, self.dtype, name="block1")(x, guidance)
        return SwinBlock(self.width, self.heads, window, shift, self.dtype, name="block2")(x, guidance)


class SwinBlock(nn.Module):
    """Windowed self-attention guided by appearance, then an MLP with exact GELU."""

    width: int
    heads: int
    window: int
    shift: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Array, guidance: Array) -> Array:
        """[B, T, h, w, C], [B, h, w, G] -> [B, T, h, w, C]."""
        grid = (x.shape[2], x.shape[3])
        # Nothing but attention cares where a patch lies, so windows are made once, of what comes in.
        x, guidance = (to_windows(roll(y, -self.shift), self.window) for y in (x, guidance[:, None]))
        x = x + self._attention(LayerNorm(dtype=self.dtype, name="norm1")(x), guidance, grid)
        y = LayerNorm(dtype=self.dtype, name="norm2")(x)
        y = Dense(4 * self.width, dtype=self.dtype, name="expand")(y)
        y = Dense(self.width, dtype=self.dtype, name="contract")(gelu(y))
        return roll(from_windows(x + y, grid), self.shift)

    def _attention(self, x: Array, guidance: Array, grid: tuple[int, int]) -> Array:
        """Windows [B, T, windows, N, C], [B, 1, windows, N, G] -> [B, T, windows, N, C]."""
        q = self._heads(GuidedDense(self.width, self.dtype, name="query")(x, guidance))
        k = self._heads(GuidedDense(self.width, self.dtype, name="key")(x, guidance))
        v = self._heads(Dense(self.width, dtype=self.dtype, name="value")(x))
        bias = None
        if self.shift:
            mask = shifted_window_mask(*grid, self.window, self.shift)
            bias = jnp.asarray(mask)[None, None, :, None]
        y = attend(jnp.moveaxis(q, 3, 5), k.swapaxes(3, 4), jnp.moveaxis(v, 3, 5), bias)
        y = jnp.moveaxis(y, 5, 3).reshape(x.shape)
        return Dense(self.width, dtype=self.dtype, name="out")(y)

    def _heads(self, x: Array) -> Array:
        """[B, T, windows, N, C] -> [B, T, windows, N, heads, C / heads]."""
        return x.reshape(*x.shape[:4], self.heads, self.width // self.heads)


def to_windows(x: Array, side: int) -> Array:
    """[B, T, h, w, C] -> [B, T, windows, side * side, C]."""
    b, t, h, w, c = x.shape
    x = x.reshape(b, t, h // side, side, w // side, side, c).swapaxes(3, 4)
    return x.reshape(b, t, -1, side * side, c)


def from_windows(x: Array, grid: tuple[int, int]) -> Array:
    """[B, T, windows, N, C] -> [B, T, h, w, C], what `to_windows` was given."""
    (b, t, _, n, c), (h, w) = x.shape, grid
    side = math.isqrt(n)
    x = x.reshape(b, t, h // side, w // side, side, side, c).swapaxes(3, 4)
    return x.reshape(b, t, h, w, c)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def roll(x: Array, by: int) -> Array:
    """[B, T, h, w, C] moved around by as many patches down and right.

    The gradient rolls back; the compiler's own adds up arrays filled with zeros.
    """
    return jnp.roll(x, (by, by), (2, 3)) if by else x


roll.defvjp(lambda x, by: (roll(x, by), None), lambda by, _, g: (roll(g, -by),))


@lru_cache
def shifted_window_mask(h: int, w: int, window: int, shift: int) -> np.ndarray:
    """What to add to attention logits so that patches rolled together from far apart do not meet.

    Returns:
        float32 [windows, N, N]: 0 within a region, -100 (published, not -inf) across regions.
    """
    region = np.zeros((h, w), np.int32)
    borders = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    for row, rows in enumerate(borders):
        for column, columns in enumerate(borders):
            region[rows, columns] = 3 * row + column
    region = region.reshape(h // window, window, w // window, window).swapaxes(1, 2)
    region = region.reshape(-1, window * window)
    return np.where(region[:, None] == region[:, :, None], 0.0, -100.0).astype(np.float32)
