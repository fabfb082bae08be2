"""Multi-head self-attention of the CLIP towers."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Float32

from hclip_jax.ops.attention import attend
from hclip_jax.ops.dense import Dense


class KeyValue(NamedTuple):
    """Keys and values of S tokens in K heads of c channels.

    Attributes:
        key: [B, S, K, c].
        value: [B, S, K, c].
    """

    key: Array
    value: Array


class Attention(nn.Module):
    """Multi-head self-attention with four named matrices, query, key, value and out, of [D, D] kernels."""

    width: int
    num_heads: int
    dtype: Any

    def setup(self) -> None:
        self.query, self.key, self.value, self.out = (Dense(self.width, dtype=self.dtype) for _ in range(4))

    def key_value(self, x: Float[Array, "B S D"]) -> KeyValue:
        """Keys and values of S tokens."""
        return KeyValue(self._split_heads(self.key(x)), self._split_heads(self.value(x)))

    def attend(
        self, x: Float[Array, "B N D"], key_value: KeyValue, bias: Float32[Array, "..."] | None = None
    ) -> Float[Array, "B N D"]:
        """Attention of N tokens over the S tokens of `key_value`; bias as in `ops.attention.attend`."""
        y = attend(self._split_heads(self.query(x)), *key_value, bias)
        return self.out(y.reshape(x.shape))

    def value_projection(self, x: Float[Array, "B N D"]) -> Float[Array, "B N D"]:
        """The result of attention if each token attended only to itself, as in MaskCLIP."""
        return self.out(self.value(x))

    def _split_heads(self, x: Array) -> Array:
        """[B, N, D] -> [B, N, K, D / K]."""
        return x.reshape(*x.shape[:2], self.num_heads, self.width // self.num_heads)


def causal_bias(num_queries: int, num_keys: int) -> Float32[Array, "1 1 N S"]:
    """Bias of `attend` for the last N = `num_queries` of S = `num_keys` tokens: -inf on every later token."""
    visible = np.tri(num_queries, num_keys, num_keys - num_queries, dtype=bool)
    return jnp.asarray(np.where(visible, 0.0, -np.inf), jnp.float32)[None, None]
