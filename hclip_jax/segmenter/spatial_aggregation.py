"""Spatial aggregation: within each class, patches attend to patches of their window."""

from functools import lru_cache
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array

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
        x = x + self._attention(LayerNorm(dtype=self.dtype, name="norm1")(x), guidance[:, None])
        y = LayerNorm(dtype=self.dtype, name="norm2")(x)
        y = Dense(4 * self.width, dtype=self.dtype, name="expand")(y)
        y = Dense(self.width, dtype=self.dtype, name="contract")(gelu(y))
        return x + y

    def _attention(self, x: Array, guidance: Array) -> Array:
        grid, heads = (x.shape[2], x.shape[3]), self.heads
        q = GuidedDense(self.width, self.dtype, name="query")(x, guidance)
        k = GuidedDense(self.width, self.dtype, name="key")(x, guidance)
        v = Dense(self.width, dtype=self.dtype, name="value")(x)
        q, k, v = (
            (lambda y: y.reshape(*y.shape[:4], heads, -1))(self._to_windows(y)) for y in (q, k, v)
        )  # [B, T, windows, N, K, C/K]
        logits = jnp.einsum("BTwNKc,BTwMKc->BTwKNM", q * q.shape[-1] ** -0.5, k)
        logits = logits.astype(jnp.float32)
        if self.shift:
            mask = shifted_window_mask(*grid, self.window, self.shift)
            logits = logits + mask[None, None, :, None]
        weights = nn.softmax(logits).astype(self.dtype)
        y = jnp.einsum("BTwKNM,BTwMKc->BTwNKc", weights, v)
        y = self._from_windows(y.reshape(*y.shape[:4], self.width), grid)
        return Dense(self.width, dtype=self.dtype, name="out")(y)

    def _to_windows(self, x: Array) -> Array:
        """[B, T, h, w, C] -> [B, T, windows, N, C]."""
        if self.shift:
            x = jnp.roll(x, (-self.shift, -self.shift), (2, 3))
        (b, t, h, w, c), side = x.shape, self.window
        x = x.reshape(b, t, h // side, side, w // side, side, c).swapaxes(3, 4)
        return x.reshape(b, t, -1, side * side, c)

    def _from_windows(self, x: Array, grid: tuple[int, int]) -> Array:
        """[B, T, windows, N, C] -> [B, T, h, w, C]."""
        (b, t, _, _, c), (h, w), side = x.shape, grid, self.window
        x = x.reshape(b, t, h // side, w // side, side, side, c).swapaxes(3, 4)
        x = x.reshape(b, t, h, w, c)
        return jnp.roll(x, (self.shift, self.shift), (2, 3)) if self.shift else x


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
