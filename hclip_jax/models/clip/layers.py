"""The blocks both CLIP towers are made of, as OpenAI's CLIP defines them.

A tower keeps the parameters of its L blocks stacked, [L, ...] a leaf, and scans over them: one block is
compiled once, and the adapters see the attention matrices of a whole tower as one array a matrix.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hclip_jax.ops.activations import gelu
from hclip_jax.ops.attention import attend
from hclip_jax.ops.dense import Dense
from hclip_jax.ops.normalization import LayerNorm

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    # OpenAI's weights; OpenCLIP's own use the exact GELU. A mix-up gives wrong features silently.
    "quick_gelu": lambda x: x * nn.sigmoid(1.702 * x),
    "gelu": gelu,
}


class Memory(NamedTuple):
    """What tokens let others read."""

    keys: Array  # [B, heads, M, D / heads]
    values: Array  # [B, heads, D / heads, M]


class Attention(nn.Module):
    """Multi-head self-attention with four named matrices, [D, D] kernels each."""

    width: int
    heads: int
    dtype: Any

    def setup(self) -> None:
        self.query, self.key, self.value, self.out = (Dense(self.width, dtype=self.dtype) for _ in range(4))

    def memory(self, x: Array) -> Memory:
        """What tokens [B, N, D] let others read."""
        return Memory(self._heads(self.key(x)).swapaxes(1, 2), jnp.moveaxis(self._heads(self.value(x)), 1, 3))

    def read(self, x: Array, memory: Memory, bias: Array | None = None) -> Array:
        """[B, N, D] reads M tokens; bias as in `attention.attend`: [B, N, D]."""
        found = attend(jnp.moveaxis(self._heads(self.query(x)), 1, 3), *memory, bias)
        return self.out(jnp.moveaxis(found, 3, 1).reshape(x.shape))

    def value_projection(self, x: Array) -> Array:
        """What each token would get if it attended to itself alone: the dense form of MaskCLIP."""
        return self.out(self.value(x))

    def _heads(self, x: Array) -> Array:
        """[B, N, D] -> [B, N, heads, D / heads]."""
        return x.reshape(*x.shape[:2], self.heads, self.width // self.heads)


class Block(nn.Module):
    """Pre-norm transformer block: attention, then an MLP of `mlp_ratio` times the width.

    What it adds to the tokens is `dtype`; the tokens, to which every block adds, are float32.
    """

    width: int
    heads: int
    mlp_ratio: float
    activation: str
    dtype: Any

    def setup(self) -> None:
        self.norm1 = LayerNorm(dtype=self.dtype)
        self.attention = Attention(self.width, self.heads, self.dtype)
        self.norm2 = LayerNorm(dtype=self.dtype)
        self.fc1 = Dense(round(self.mlp_ratio * self.width), dtype=self.dtype)
        self.fc2 = Dense(self.width, dtype=self.dtype)

    def __call__(self, x: Array) -> Array:
        """[B, N, D] -> [B, N, D]; every token reads every other."""
        y = self.norm1(x)
        return self._mlp(_add(x, self.attention.read(y, self.attention.memory(y))))

    def causal(self, start: Array, rest: Array) -> tuple[Array, Array]:
        """Sentences that all start with the same p tokens, and in which no token reads later ones.

        Args:
            start: [1, p, D], p >= 0.
            rest: [S, n, D], the tokens behind.

        Returns:
            Both after the block.
        """
        attention, y, z = self.attention, self.norm1(start), self.norm1(rest)
        before, own = attention.memory(y), attention.memory(z)
        both = Memory(
            *(
                jnp.concatenate([jnp.broadcast_to(a, (len(b), *a.shape[1:])), b], axis)
                for a, b, axis in zip(before, own, (2, 3), strict=True)
            )
        )
        if start.shape[1]:
            bias = _earlier(start.shape[1], start.shape[1])
            start = self._mlp(_add(start, attention.read(y, before, bias)))
        rest = self._mlp(_add(rest, attention.read(z, both, _earlier(both.keys.shape[2], rest.shape[1]))))
        return start, rest

    def dense(self, x: Array) -> Array:
        """The last image block without attention, so that every token keeps its own place.

        As published, the residual that every token gets is the class token's.
        """
        return self._mlp(_add(x[:, :1], self.attention.value_projection(self.norm1(x))))

    def _mlp(self, x: Array) -> Array:
        return _add(x, self.fc2(ACTIVATIONS[self.activation](self.fc1(self.norm2(x)))))


def _add(x: Array, y: Array) -> Array:
    """The sum, as float32."""
    return x + y.astype(jnp.float32)


def _earlier(tokens: int, last: int) -> Array:
    """Bias [1, 1, M, N] of `last` = N of M = `tokens` tokens, that hides what comes after each of them."""
    visible = np.tri(last, tokens, tokens - last, dtype=bool).T
    return jnp.asarray(np.where(visible, 0.0, -np.inf), jnp.float32)[None, None]


def run_block(block: Block, params: Any, *x: Array, method: Any = None) -> Any:
    """One block with parameters of its own: what a tower scans over its layers."""
    return block.apply({"params": params}, *x, method=method)


def init_blocks(block: Block, layers: int) -> Callable[[Array], Any]:
    """An initialiser for the parameters of `layers` blocks, stacked on a leading axis L."""

    def init(rng: Array) -> Any:
        x = jnp.zeros((1, 1, block.width))
        one = lambda key: block.init(key, x)["params"]  # noqa: E731
        return jax.vmap(one)(jax.random.split(rng, layers))

    return init
