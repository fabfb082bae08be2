"""The segmentation head: patch and text features in, a logit for every class and pixel out."""

from typing import Any, cast

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from hclip_jax.config.schema import HeadConfig
from hclip_jax.models.clip.image_encoder import ImageFeatures
from hclip_jax.models.head.class_aggregation import ClassAggregation
from hclip_jax.models.head.cost_volume import cost_volume, scatter_class_logits
from hclip_jax.models.head.decoder import Decoder
from hclip_jax.models.head.layers import Conv, Dense, UpsampleBy
from hclip_jax.models.head.spatial_aggregation import SpatialAggregation
from hclip_jax.ops.chunked_map import chunked_map
from hclip_jax.ops.normalization import l2_normalize


class SegmentationHead(nn.Module):
    """Cost aggregation of CAT-Seg, which H-CLIP trains beside its adapters.

    Activations of T classes are what fills the memory: `class_chunk_size` is how many of them are worked on at a
    time, `remat_policy` says what the backward pass keeps of them (recompute.py).
    """

    config: HeadConfig
    dtype: Any
    class_chunk_size: int
    remat_policy: str

    @nn.compact
    def __call__(self, image: ImageFeatures, text: Array, pooling: int) -> Array:
        """Segments B pictures by T classes.

        Args:
            image: dense features [B, h, w, D_e] and the guidance of two earlier blocks [B, h, w, D].
            text: [T, P, D_e] text features, P prompts a class.
            pooling: of the class aggregation, see there.

        Returns:
            Logits float32 [B, T, 4h, 4w]; with more than `max_classes` classes, -100 for those not kept.
        """
        # Upsampling by 2 and by 4 gives both steps of the decoder guidance at their resolution.
        decoder_guidance = tuple(
            UpsampleBy(2**i, width, self.dtype, name=f"upsample{i}")(features)
            for i, (width, features) in enumerate(
                zip(self.config.decoder_guidance_dims, image.guidance, strict=True), start=1
            )
        )
        aggregator = Aggregator(
            self.config, self.dtype, self.class_chunk_size, self.remat_policy, name="aggregator"
        )
        return aggregator(image.patch_features, text, image.patch_features, decoder_guidance, pooling)


class Aggregator(nn.Module):
    """The head without the upsampling of its decoder guidance."""

    config: HeadConfig
    dtype: Any
    class_chunk_size: int
    remat_policy: str

    @nn.compact
    def __call__(
        self,
        dense: Array,
        text: Array,
        appearance: Array,
        decoder_guidance: tuple[Array, ...],
        pooling: int,
    ) -> Array:
        """Aggregates the cosines of `dense` and `text`.

        Args:
            dense: [B, h, w, D_e] patch features.
            text: [T, P, D_e] text features.
            appearance: [B, h, w, D_e] guidance of the spatial aggregation.
            decoder_guidance: [B, 2h, 2w, 256] and [B, 4h, 4w, 128] as published.
            pooling: of the class aggregation.

        Returns:
            Logits float32 [B, T, 4h, 4w].
        """
        config, dtype = self.config, self.dtype
        volume = cost_volume(dense, text, config.max_classes)
        x = self._embed(volume.cost)
        appearance = nn.relu(Conv(config.guidance_dim, 3, dtype, name="appearance_guidance")(appearance))
        mean = l2_normalize(volume.text.mean(axis=2)).astype(dtype)
        words = nn.relu(Dense(config.guidance_dim, dtype=dtype, name="text_guidance")(mean))
        for i in range(1, config.num_layers + 1):
            spatial = SpatialAggregation(
                config.hidden_dim,
                config.guidance_dim,
                config.num_heads,
                config.window_size,
                dtype,
                parent=None,
            )
            x = self._per_class(f"spatial{i}", spatial, x, appearance)
            x = ClassAggregation(
                config.hidden_dim, config.num_heads, config.max_classes, dtype, name=f"classes{i}"
            )(x, words, pooling)
        projected = tuple(
            nn.relu(Conv(width, 3, dtype, name=f"decoder_guidance{i}")(features))
            for i, (width, features) in enumerate(
                zip(config.decoder_guidance_proj_dims, decoder_guidance, strict=True), start=1
            )
        )
        sizes = config.hidden_dim, config.decoder_dims, config.decoder_guidance_proj_dims
        decoder = Decoder(*sizes, config.prior_prob, dtype, parent=None)
        logits = self._per_class("decoder", decoder, x, projected)
        return scatter_class_logits(logits, volume.topk_ids, len(text))

    def _per_class(self, name: str, module: Any, x: Array, guidance: Any) -> Array:
        """Runs a module that treats every class by itself, on `class_chunk_size` classes at a time.

        Its `guide` makes of the guidance what all chunks share.
        """
        whole = lambda module, x: module(x, module.guide(guidance))  # noqa: E731
        params = self.param(name, lambda rng: nn.init(whole, module)(rng, x[:, :1])["params"])
        guide = module.apply({"params": params}, guidance, method="guide")

        def run(classes: Array) -> Array:
            return cast(Array, module.apply({"params": params}, classes, guide))

        return chunked_map(run, x, self.class_chunk_size, self.remat_policy)

    def _embed(self, cost: Array) -> Array:
        """[B, T, h, w, P] -> [B, T, h, w, C]."""
        b, t = cost.shape[:2]
        # In float32 whatever the dtype: cosines of classes differ by less than eight bits tell.
        embed = Conv(self.config.hidden_dim, 7, jnp.float32, name="embed")
        x = embed(cost.reshape(b * t, *cost.shape[2:])).astype(self.dtype)
        return x.reshape(b, t, *x.shape[1:])
