"""Spatial aggregation: within each class, patches attend to patches of their window."""

import math
from functools import lru_cache, partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hclip_jax.models.head.layers import Dense, GuidedDense
from hclip_jax.ops.activations import gelu
from hclip_jax.ops.attention import attend
from hclip_jax.ops.normalization import LayerNorm


class Guide(NamedTuple):
    """What the guidance adds in a block, to every class alike: [B, 1, windows, N, C] each."""

    query: Array
    key: Array


class SpatialAggregation(nn.Module):
    """Two Swin blocks, the second with its windows shifted by half a window."""

    width: int
    guidance: int
    heads: int
    window: int
    dtype: Any

    def setup(self) -> None:
        block = partial(SwinBlock, self.width, self.guidance, self.heads, self.window)
        self.guidance_norm = LayerNorm(dtype=self.dtype)
        self.block1, self.block2 = block(False, self.dtype), block(True, self.dtype)

    def guide(self, guidance: Array) -> tuple[Guide, Guide]:
        """What is the same for all classes, once for all: of appearance [B, h, w, G]."""
        guidance = self.guidance_norm(guidance)
        return self.block1.guide(guidance), self.block2.guide(guidance)

    def __call__(self, x: Array, guides: tuple[Guide, Guide]) -> Array:
        """Aggregates the costs of each class over the picture.

        Args:
            x: [B, T, h, w, C] costs.
            guides: of `guide`.

        Returns:
            [B, T, h, w, C].
        """
        return self.block2(self.block1(x, guides[0]), guides[1])


class SwinBlock(nn.Module):
    """Self-attention in windows of side `window`, guided by appearance, then an MLP with exact GELU."""

    width: int
    guidance: int
    heads: int
    window: int
    shifted: bool
    dtype: Any

    def setup(self) -> None:
        inputs = self.width + self.guidance
        self.norm1, self.norm2 = (LayerNorm(dtype=self.dtype) for _ in range(2))
        self.query, self.key = (GuidedDense(self.width, inputs, self.dtype) for _ in range(2))
        self.value, self.out = (Dense(self.width, dtype=self.dtype) for _ in range(2))
        self.fc1 = Dense(4 * self.width, dtype=self.dtype)
        self.fc2 = Dense(self.width, dtype=self.dtype)

    def guide(self, guidance: Array) -> Guide:
        """Of [B, h, w, G]."""
        window, shift = self._windows(guidance.shape[1:3])
        guidance = to_windows(roll(guidance[:, None], -shift), window)
        return Guide(self.query.guide(guidance), self.key.guide(guidance))

    def __call__(self, x: Array, guide: Guide) -> Array:
        """[B, T, h, w, C] -> [B, T, h, w, C]."""
        grid = (x.shape[2], x.shape[3])
        window, shift = self._windows(grid)
        # Nothing but attention cares where a patch lies, so windows are made once, of what comes in.
        x = to_windows(roll(x, -shift), window)
        bias = None
        if shift:
            bias = jnp.asarray(shifted_window_mask(*grid, window, shift))[None, None, :, None]
        x = x + self._attention(self.norm1(x), guide, bias)
        y = self.fc2(gelu(self.fc1(self.norm2(x))))
        return roll(from_windows(x + y, grid), shift)

    def _windows(self, grid: tuple[int, ...]) -> tuple[int, int]:
        """Their side, and by how much they are shifted."""
        window = min(self.window, *grid)
        # A window as large as the picture has nothing to shift into.
        return window, window // 2 if self.shifted and min(grid) > window else 0

    def _attention(self, x: Array, guide: Guide, bias: Array | None) -> Array:
        """[B, T, windows, N, C] -> [B, T, windows, N, C]; bias as in `attention.attend`."""
        q, k = self._heads(self.query(x, guide.query)), self._heads(self.key(x, guide.key))
        v = self._heads(self.value(x))
        y = attend(jnp.moveaxis(q, 3, 5), k.swapaxes(3, 4), jnp.moveaxis(v, 3, 5), bias)
        return self.out(jnp.moveaxis(y, 5, 3).reshape(x.shape))

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
