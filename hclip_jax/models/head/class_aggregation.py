"""Class aggregation: at each patch, classes attend to classes."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from hclip_jax.models.head.layers import Dense, GuidedDense
from hclip_jax.ops import resize
from hclip_jax.ops.normalization import LayerNorm


class ClassAggregation(nn.Module):
    """Linear attention over the classes, on costs pooled over `pooling` x `pooling` patches.

    The class axis is filled up to `max_classes` with a learnable token, so that a network trained with many
    classes meets few at home. All these tokens are alike and nobody reads their outputs: one is
    computed and weighs as much as all of them.
    """

    width: int
    heads: int
    max_classes: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Array, guidance: Array, pooling: int) -> Array:
        """Aggregates the costs of each patch over the classes.

        Args:
            x: [B, T, h, w, C] costs, T <= max_classes.
            guidance: [B, T, G] text, the same for all patches.
            pooling: 2 in training as published, 1 in evaluation; must divide h and w.

        Returns:
            [B, T, h, w, C].
        """
        b, t, h, w, c = x.shape
        pooled = x.reshape(b, t, h // pooling, pooling, w // pooling, pooling, c).mean((3, 5))
        y = pooled + self._attention(pooled, guidance[:, :, None, None])
        z = LayerNorm(dtype=self.dtype, name="norm2")(y)
        z = nn.relu(Dense(4 * self.width, dtype=self.dtype, name="fc1")(z))
        y = y + Dense(self.width, dtype=self.dtype, name="fc2")(z)
        return x + resize.bilinear_align_corners(y, (h, w))

    def _attention(self, x: Array, guidance: Array) -> Array:
        """Attention elu(q) + 1, elu(k) + 1 of "Transformers are RNNs": linear in the classes."""
        norm = LayerNorm(dtype=self.dtype, name="norm1")
        inputs = x.shape[-1] + guidance.shape[-1]
        query = GuidedDense(self.width, inputs, self.dtype, name="query")
        key = GuidedDense(self.width, inputs, self.dtype, name="key")
        value = Dense(self.width, dtype=self.dtype, name="value")
        features = lambda y: nn.elu(y.astype(jnp.float32)) + 1  # noqa: E731
        heads = lambda y: y.reshape(*y.shape[:-1], self.heads, -1)  # noqa: E731

        x = norm(x)
        q, k = (heads(features(layer(x, layer.guide(guidance)))) for layer in (query, key))
        v = heads(value(x)).astype(jnp.float32)
        keys = jnp.sum(k, axis=1)
        pairs = jnp.einsum("BThwKc,BThwKd->BhwKcd", k, v)

        zeros = nn.initializers.zeros
        token = self.param("padding_token", zeros, (self.width,))
        token_guidance = self.param("padding_guidance", zeros, guidance.shape[-1:])
        padding = self.max_classes - x.shape[1]
        if padding:
            token = norm(token[None].astype(self.dtype))
            words = key.guide(token_guidance[None].astype(self.dtype))
            pad_k = heads(features(key(token, words)))[0]
            pad_v = heads(value(token))[0].astype(jnp.float32)
            keys = keys + padding * pad_k[None, None, None]
            pairs = pairs + padding * jnp.einsum("Kc,Kd->Kcd", pad_k, pad_v)[None, None, None]

        # The published division of v by the max_classes before and multiplication after cancel out.
        total = jnp.einsum("BThwKc,BhwKc->BThwK", q, keys) + 1e-6
        y = jnp.einsum("BThwKc,BhwKcd->BThwKd", q, pairs) / total[..., None]
        return y.reshape(x.shape).astype(self.dtype)
