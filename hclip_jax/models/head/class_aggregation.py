"""Class aggregation: at each patch, attention over the classes."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float32, Int32

from hclip_jax.models.head.layers import Dense, GuidedDense
from hclip_jax.ops import resize
from hclip_jax.ops.collectives import psum
from hclip_jax.ops.normalization import LayerNorm


class ClassAggregation(nn.Module):
    """Linear attention over the classes, on costs averaged over `pooling` x `pooling` patches, and an MLP.

    The class axis is padded to `max_classes` with a learnable token, so the layer sees one length for any T.
    All padding tokens are equal and their outputs unused, so one is computed and weighted by their number.

    Linear attention needs only two sums over the classes: where a mesh axis `class_axis` shares them, its
    devices exchange these sums and no class.
    """

    hidden_dim: int
    num_heads: int
    max_classes: int
    dtype: Any
    class_axis: str | None = None

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B T h w C"],
        guidance: Float[Array, "B T G"],
        pooling: int,
        num_classes: int | Int32[Array, ""],
        class_mask: Float32[Array, "B T"] | None = None,
    ) -> Float[Array, "B T h w C"]:
        """Aggregates the costs of each patch over the classes.

        Args:
            x: costs of T classes, or of this device's part of them.
            guidance: text guidance of G = `guidance_dim` channels, the same for all patches.
            pooling: 2 in training as published, 1 in evaluation; must divide h and w.
            num_classes: classes of all devices, at most max_classes.
            class_mask: 1 for a class, 0 for padding, which takes part in nothing; None = all are classes.
        """
        b, t, h, w, c = x.shape
        pooled = x.reshape(b, t, h // pooling, pooling, w // pooling, pooling, c).mean((3, 5))
        y = pooled + self._attention(pooled, guidance[:, :, None, None], num_classes, class_mask)
        z = LayerNorm(dtype=self.dtype, name="norm2")(y)
        z = nn.relu(Dense(4 * self.hidden_dim, dtype=self.dtype, name="fc1")(z))
        y = y + Dense(self.hidden_dim, dtype=self.dtype, name="fc2")(z)
        return x + resize.bilinear_align_corners(y, (h, w))

    def _attention(
        self, x: Array, guidance: Array, num_classes: int | Array, class_mask: Array | None
    ) -> Array:
        """Linear attention with the feature map elu + 1, from "Transformers are RNNs" (arXiv 2006.16236)."""
        norm = LayerNorm(dtype=self.dtype, name="norm1")
        inputs = x.shape[-1] + guidance.shape[-1]
        query = GuidedDense(self.hidden_dim, inputs, self.dtype, name="query")
        key = GuidedDense(self.hidden_dim, inputs, self.dtype, name="key")
        value = Dense(self.hidden_dim, dtype=self.dtype, name="value")
        feature_map = lambda y: nn.elu(y.astype(jnp.float32)) + 1  # noqa: E731
        split_heads = lambda y: y.reshape(*y.shape[:-1], self.num_heads, -1)  # noqa: E731

        x = norm(x)
        q, k = (
            split_heads(feature_map(layer(x, layer.project_guidance(guidance)))) for layer in (query, key)
        )
        v = split_heads(value(x)).astype(jnp.float32)
        if class_mask is not None:
            k = k * class_mask[:, :, None, None, None, None]
        key_sum = psum(jnp.sum(k, axis=1), self.class_axis)
        key_value_sum = psum(jnp.einsum("BThwKc,BThwKd->BhwKcd", k, v), self.class_axis)

        zeros = nn.initializers.zeros
        token = self.param("padding_token", zeros, (self.hidden_dim,))
        token_guidance = self.param("padding_guidance", zeros, guidance.shape[-1:])
        if isinstance(num_classes, Array) or num_classes < self.max_classes:
            num_padding = jnp.asarray(self.max_classes - num_classes, jnp.float32)
            token = norm(token[None].astype(self.dtype))
            token_guidance = key.project_guidance(token_guidance[None].astype(self.dtype))
            pad_k = split_heads(feature_map(key(token, token_guidance)))[0]
            pad_v = split_heads(value(token))[0].astype(jnp.float32)
            key_sum = key_sum + num_padding * pad_k[None, None, None]
            pad_key_value = jnp.einsum("Kc,Kd->Kcd", pad_k, pad_v)[None, None, None]
            key_value_sum = key_value_sum + num_padding * pad_key_value

        # The published code divides v by max_classes and multiplies the result by it, which cancels out.
        normalizer = jnp.einsum("BThwKc,BhwKc->BThwK", q, key_sum) + 1e-6
        y = jnp.einsum("BThwKc,BhwKcd->BThwKd", q, key_value_sum) / normalizer[..., None]
        return y.reshape(x.shape).astype(self.dtype)
