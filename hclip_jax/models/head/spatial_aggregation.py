"""Spatial aggregation: within each class, attention over the patches of a window."""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from hclip_jax.models.head.layers import Dense, GuidedDense
from hclip_jax.ops import backend
from hclip_jax.ops.activations import gelu
from hclip_jax.ops.attention import attend
from hclip_jax.ops.native import call
from hclip_jax.ops.native.swin import swin_block
from hclip_jax.ops.normalization import LayerNorm
from hclip_jax.ops.roll import roll


class AttentionGuidance(NamedTuple):
    """Projected guidance, added to queries and keys of a block: the same for all classes.

    Attributes:
        query: [B, 1, windows, N, C].
        key: [B, 1, windows, N, C].
    """

    query: Array
    key: Array


class SpatialAggregation(nn.Module):
    """Two Swin blocks, the second with its windows shifted by half a window."""

    hidden_dim: int
    guidance_dim: int
    num_heads: int
    window_size: int
    dtype: Any

    def setup(self) -> None:
        block = partial(SwinBlock, self.hidden_dim, self.guidance_dim, self.num_heads, self.window_size)
        self.guidance_norm = LayerNorm(dtype=self.dtype)
        self.block1, self.block2 = block(False, self.dtype), block(True, self.dtype)

    def project_guidance(
        self, guidance: Float[Array, "B h w G"]
    ) -> tuple[AttentionGuidance, AttentionGuidance]:
        """The guidance of both blocks, computed once for all classes, from G appearance channels."""
        guidance = self.guidance_norm(guidance)
        return self.block1.project_guidance(guidance), self.block2.project_guidance(guidance)

    def __call__(
        self, x: Float[Array, "B T h w C"], guidance: tuple[AttentionGuidance, AttentionGuidance]
    ) -> Float[Array, "B T h w C"]:
        """Aggregates the costs of each class over the image, with the result of `project_guidance`."""
        return self.block2(self.block1(x, guidance[0]), guidance[1])

    def in_kernel(self, x: Float[Array, "B T h w C"]) -> bool:
        """Whether a kernel computes the blocks of x; it needs no chunks of classes to save memory."""
        grid = x.shape[2:4]
        window_size = min(self.window_size, *grid)
        return _kernel(self.dtype, self.hidden_dim, self.num_heads, window_size, grid) is not None


class SwinBlock(nn.Module):
    """Self-attention in windows of `window_size`, guided by appearance, then an MLP with exact GELU."""

    hidden_dim: int
    guidance_dim: int
    num_heads: int
    window_size: int
    shifted: bool
    dtype: Any

    def setup(self) -> None:
        inputs = self.hidden_dim + self.guidance_dim
        self.norm1, self.norm2 = (LayerNorm(dtype=self.dtype) for _ in range(2))
        self.query, self.key = (GuidedDense(self.hidden_dim, inputs, self.dtype) for _ in range(2))
        self.value, self.out = (Dense(self.hidden_dim, dtype=self.dtype) for _ in range(2))
        self.fc1 = Dense(4 * self.hidden_dim, dtype=self.dtype)
        self.fc2 = Dense(self.hidden_dim, dtype=self.dtype)

    def project_guidance(self, guidance: Float[Array, "B h w G"]) -> AttentionGuidance:
        """The guidance of queries and keys from G appearance channels."""
        size, shift = self._window_size_and_shift(guidance.shape[1:3])
        guidance = to_windows(roll(guidance[:, None], -shift), size)
        return AttentionGuidance(self.query.project_guidance(guidance), self.key.project_guidance(guidance))

    def __call__(
        self, x: Float[Array, "B T h w C"], guidance: AttentionGuidance
    ) -> Float[Array, "B T h w C"]:
        """The block, with the result of `project_guidance`."""
        grid = (x.shape[2], x.shape[3])
        size, shift = self._window_size_and_shift(grid)
        mask = shifted_window_mask(*grid, size, shift) if shift else None
        kernel = _kernel(self.dtype, self.hidden_dim, self.num_heads, size, grid)
        if kernel and not self.is_initializing():
            return kernel(x, guidance, self.variables["params"], self.num_heads, (size, shift), mask)
        # Everything but attention treats each patch independently, so windows are made once, from the input.
        x = to_windows(roll(x, -shift), size)
        bias = None if mask is None else jnp.asarray(mask)[None, None, :, None]
        x = x + self._attention(self.norm1(x), guidance, bias)
        y = self.fc2(gelu(self.fc1(self.norm2(x))))
        return roll(from_windows(x + y, grid), shift)

    def _window_size_and_shift(self, grid: tuple[int, ...]) -> tuple[int, int]:
        size = min(self.window_size, *grid)
        if any(n % size for n in grid):
            raise ValueError(
                f"windows of {size} x {size} patches do not divide a grid of {' x '.join(map(str, grid))}; "
                "give a window size that divides both"
            )
        # A window as large as the grid is not shifted.
        return size, size // 2 if self.shifted and min(grid) > size else 0

    def _attention(self, x: Array, guidance: AttentionGuidance, bias: Array | None) -> Array:
        """[B, T, windows, N, C] -> [B, T, windows, N, C]; bias as in `ops.attention.attend`."""
        query = self._split_heads(self.query(x, guidance.query))
        key = self._split_heads(self.key(x, guidance.key))
        y = attend(query, key, self._split_heads(self.value(x)), bias)
        return self.out(y.reshape(x.shape))

    def _split_heads(self, x: Array) -> Array:
        """[B, T, windows, N, C] -> [B, T, windows, N, K, C / K]."""
        return x.reshape(*x.shape[:4], self.num_heads, self.hidden_dim // self.num_heads)


def _kernel(
    dtype: Any, hidden_dim: int, num_heads: int, window_size: int, grid: tuple[int, ...]
) -> Callable[..., Array] | None:
    """The kernel that computes a block here; None = its plain form does."""
    if call.usable(dtype, hidden_dim / num_heads):
        return swin_block
    if backend.platform() != "tpu":
        return None
    from hclip_jax.ops.tpu import swin  # imported where it is used: Pallas takes 0.1 s

    return swin.swin_block if swin.usable(dtype, hidden_dim, num_heads, window_size, grid) else None


def to_windows(x: Float[Array, "B T h w C"], size: int) -> Float[Array, "B T windows N C"]:
    """Splits the grid into windows of N = size x size patches, row by row."""
    b, t, h, w, c = x.shape
    x = x.reshape(b, t, h // size, size, w // size, size, c).swapaxes(3, 4)
    return x.reshape(b, t, -1, size * size, c)


def from_windows(x: Float[Array, "B T windows N C"], grid: tuple[int, int]) -> Float[Array, "B T h w C"]:
    """The inverse of `to_windows` for a grid of h x w patches."""
    (b, t, _, n, c), (h, w) = x.shape, grid
    size = math.isqrt(n)
    x = x.reshape(b, t, h // size, w // size, size, size, c).swapaxes(3, 4)
    return x.reshape(b, t, h, w, c)


@lru_cache
def shifted_window_mask(h: int, w: int, window_size: int, shift: int) -> Float[np.ndarray, "windows N N"]:
    """Bias of attention logits that separates patches which the cyclic shift moved into one window.

    Returns:
        float32: 0 within a region of neighbouring patches, -100 (as published, not -inf) across regions.
    """
    region = np.zeros((h, w), np.int32)
    borders = (slice(0, -window_size), slice(-window_size, -shift), slice(-shift, None))
    for row, rows in enumerate(borders):
        for column, columns in enumerate(borders):
            region[rows, columns] = 3 * row + column
    region = region.reshape(h // window_size, window_size, w // window_size, window_size).swapaxes(1, 2)
    region = region.reshape(-1, window_size * window_size)
    return np.where(region[:, None] == region[:, :, None], 0.0, -100.0).astype(np.float32)
