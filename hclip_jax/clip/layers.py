"""The blocks both CLIP towers are made of, as OpenAI's CLIP defines them.

A tower keeps the parameters of its L blocks stacked, [L, ...] a leaf, and scans over them: one block is
compiled once, and the adapters see the attention matrices of a whole tower as one array a matrix.
"""

from collections.abc import Callable
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax.dense import Dense
from hclip_jax.gelu import gelu
from hclip_jax.norms import LayerNorm

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    # OpenAI's weights; OpenCLIP's own use the exact GELU. A mix-up gives wrong features silently.
    "quick_gelu": lambda x: x * nn.sigmoid(1.702 * x),
    "gelu": gelu,
}


class Attention(nn.Module):
    """Multi-head self-attention with four named matrices, [D, D] kernels each."""

    width: int
    heads: int
    dtype: Any

    def setup(self) -> None:
        self.query, self.key, self.value, self.out = (Dense(self.width, dtype=self.dtype) for _ in range(4))

    def __call__(self, x: Array, causal: bool) -> Array:
        """[B, N, D] -> [B, N, D]."""
        q, k, v = (p(x).reshape(*x.shape[:2], self.heads, -1) for p in (self.query, self.key, self.value))
        logits = jnp.einsum("BNKd,BMKd->BKNM", q * q.shape[-1] ** -0.5, k).astype(jnp.float32)
        if causal:
            before = jnp.tri(x.shape[1], dtype=bool)[None, None]
            logits = jnp.where(before, logits, -jnp.inf)
        weights = nn.softmax(logits).astype(self.dtype)
        return self.out(jnp.einsum("BKNM,BMKd->BNKd", weights, v).reshape(x.shape))

    def value_only(self, x: Array) -> Array:
        """What each token would get if it attended to itself alone: the dense form of MaskCLIP."""
        return self.out(self.value(x))


class Block(nn.Module):
    """Pre-norm transformer block: attention, then an MLP of `mlp_ratio` times the width."""

    width: int
    heads: int
    mlp_ratio: float
    activation: str
    dtype: Any

    def setup(self) -> None:
        self.norm1 = LayerNorm(dtype=self.dtype)
        self.attention = Attention(self.width, self.heads, self.dtype)
        self.norm2 = LayerNorm(dtype=self.dtype)
        self.expand = Dense(round(self.mlp_ratio * self.width), dtype=self.dtype)
        self.contract = Dense(self.width, dtype=self.dtype)

    def __call__(self, x: Array, causal: bool = False) -> Array:
        """[B, N, D] -> [B, N, D]."""
        return self._mlp(x + self.attention(self.norm1(x), causal))

    def dense(self, x: Array) -> Array:
        """The last image block without attention, so that every token keeps its own place.

        As published, the residual that every token gets is the class token's.
        """
        return self._mlp(self.attention.value_only(self.norm1(x)) + x[:, :1])

    def _mlp(self, x: Array) -> Array:
        return x + self.contract(ACTIVATIONS[self.activation](self.expand(self.norm2(x))))


def run_block(block: Block, params: Any, x: Array, **options: Any) -> Array:
    """One block with parameters of its own: what a tower scans over its layers."""
    return cast(Array, block.apply({"params": params}, x, **options))


def init_blocks(block: Block, layers: int) -> Callable[[Array], Any]:
    """An initialiser for the parameters of `layers` blocks, stacked on a leading axis L."""

    def init(rng: Array) -> Any:
        x = jnp.zeros((1, 1, block.width), block.dtype)
        one = lambda key: block.init(key, x)["params"]  # noqa: E731
        return jax.vmap(one)(jax.random.split(rng, layers))

    return init
