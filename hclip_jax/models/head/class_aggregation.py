"""Class aggregation: at each patch, attention over the classes."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float32, Int32

from hclip_jax.models.head.layers import Dense, GuidedDense
from hclip_jax.ops import backend, resize
from hclip_jax.ops.collectives import psum
from hclip_jax.ops.native import call, classes
from hclip_jax.ops.normalization import LayerNorm


class ClassAggregation(nn.Module):
    """Linear attention over the classes, on costs averaged over `pooling` x `pooling` patches, and an MLP.

    The class axis is padded to `max_classes` with a learnable token, so the layer sees one length for any T.
    All padding tokens are equal and their outputs unused, so one is computed and weighted by their number.

    Linear attention needs only two sums over the classes: where a mesh axis `class_axis` shares them, its
    devices exchange these sums and no class.
    """

    hidden_dim: int
    guidance_dim: int
    num_heads: int
    max_classes: int
    dtype: Any
    class_axis: str | None = None

    def setup(self) -> None:
        inputs = self.hidden_dim + self.guidance_dim
        self.norm1, self.norm2 = (LayerNorm(dtype=self.dtype) for _ in range(2))
        self.query, self.key = (GuidedDense(self.hidden_dim, inputs, self.dtype) for _ in range(2))
        self.value = Dense(self.hidden_dim, dtype=self.dtype)
        self.fc1 = Dense(4 * self.hidden_dim, dtype=self.dtype)
        self.fc2 = Dense(self.hidden_dim, dtype=self.dtype)
        zeros = nn.initializers.zeros
        self.padding_token = self.param("padding_token", zeros, (self.hidden_dim,))
        self.padding_guidance = self.param("padding_guidance", zeros, (self.guidance_dim,))

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
        projected = self.query.project_guidance(guidance), self.key.project_guidance(guidance)
        padding = self._padding_sums(num_classes)
        if self._in_kernel():
            fields = class_mask, padding, self.variables["params"], self.num_heads
            y = classes.class_aggregation(pooled, projected, *fields, residual=pooling == 1)
            return y if pooling == 1 else x + resize.bilinear_align_corners(y, (h, w))
        y = pooled + self._attention(pooled, projected, padding, class_mask)
        y = y + self.fc2(nn.relu(self.fc1(self.norm2(y))))
        return x + resize.bilinear_align_corners(y, (h, w))

    def _in_kernel(self) -> bool:
        fits = call.usable(self.dtype, self.hidden_dim / self.num_heads)
        return fits and backend.forward_only.value and self.class_axis is None and not self.is_initializing()

    def _padding_sums(self, num_classes: int | Array) -> tuple[Array, Array] | None:
        """Sums over the padding tokens: of keys [K, c], and of keys times values [K, c, c]."""
        if not isinstance(num_classes, Array) and num_classes >= self.max_classes:
            return None
        num_padding = jnp.asarray(self.max_classes - num_classes, jnp.float32)
        token = self.norm1(self.padding_token[None].astype(self.dtype))
        guidance = self.key.project_guidance(self.padding_guidance[None].astype(self.dtype))
        k = self._split_heads(_feature_map(self.key(token, guidance)))[0]
        v = self._split_heads(self.value(token))[0].astype(jnp.float32)
        return num_padding * k, num_padding * jnp.einsum("Kc,Kd->Kcd", k, v)

    def _attention(
        self,
        x: Array,
        guidance: tuple[Array, Array],
        padding: tuple[Array, Array] | None,
        class_mask: Array | None,
    ) -> Array:
        """Linear attention with the feature map elu + 1, from "Transformers are RNNs" (arXiv 2006.16236)."""
        x = self.norm1(x)
        q, k = (
            self._split_heads(_feature_map(layer(x, g[:, :, None, None])))
            for layer, g in zip((self.query, self.key), guidance, strict=True)
        )
        v = self._split_heads(self.value(x)).astype(jnp.float32)
        if class_mask is not None:
            k = k * class_mask[:, :, None, None, None, None]
        key_sum = psum(jnp.sum(k, axis=1), self.class_axis)
        key_value_sum = psum(jnp.einsum("BThwKc,BThwKd->BhwKcd", k, v), self.class_axis)
        if padding is not None:
            key_sum = key_sum + padding[0][None, None, None]
            key_value_sum = key_value_sum + padding[1][None, None, None]

        # The published code divides v by max_classes and multiplies the result by it, which cancels out.
        normalizer = jnp.einsum("BThwKc,BhwKc->BThwK", q, key_sum) + 1e-6
        y = jnp.einsum("BThwKc,BhwKcd->BThwKd", q, key_value_sum) / normalizer[..., None]
        return y.reshape(x.shape).astype(self.dtype)

    def _split_heads(self, x: Array) -> Array:
        """[..., C] -> [..., K, C / K]."""
        return x.reshape(*x.shape[:-1], self.num_heads, -1)


def _feature_map(x: Array) -> Array:
    return nn.elu(x.astype(jnp.float32)) + 1
