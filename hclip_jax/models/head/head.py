"""The segmentation head: logits of all classes from patch and text features."""

from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int32

from hclip_jax.config.schema import HeadConfig
from hclip_jax.models.clip.image_encoder import ImageFeatures
from hclip_jax.models.head.class_aggregation import ClassAggregation
from hclip_jax.models.head.cost_volume import cost_volume
from hclip_jax.models.head.decoder import Decoder
from hclip_jax.models.head.layers import Conv, Dense, UpsampleBy
from hclip_jax.models.head.spatial_aggregation import SpatialAggregation
from hclip_jax.models.params import submodule_params
from hclip_jax.ops.chunked_map import chunked_map
from hclip_jax.ops.normalization import l2_normalize
from hclip_jax.ops.precision import FLOAT32


class ClassLogits(NamedTuple):
    """Logits of the classes that were selected for each image, or of this device's part of them.

    Attributes:
        logits: float32 [B, T', 4h, 4w].
        class_ids: int32 [B, T'], as in `CostVolume`.
    """

    logits: Array
    class_ids: Array | None


class SegmentationHead(nn.Module):
    """Cost aggregation of CAT-Seg, which H-CLIP trains together with its adapters.

    Most of the memory is activations of T classes.

    Attributes:
        config: sizes of the layers.
        dtype: dtype of the activations; costs and logits are float32.
        class_chunk_size: the largest number of classes that the plain forms compute together; kernels take
            one at a time.
        remat_policy: one of `remat.REMAT_POLICIES`, for such a chunk of classes.
        class_axis: mesh axis that shares the classes of an image, inside of `jax.shard_map`.
    """

    config: HeadConfig
    dtype: Any
    class_chunk_size: int
    remat_policy: str
    class_axis: str | None = None

    @nn.compact
    def __call__(
        self,
        image: ImageFeatures,
        text: Float[Array, "T P D_e"],
        pooling: int,
        real_classes: Int32[Array, ""] | None = None,
    ) -> ClassLogits:
        """Logits of B images, on 4h x 4w pixels.

        Args:
            image: patch features, and features of one guidance layer for each decoder step.
            text: text features.
            pooling: see `ClassAggregation`.
            real_classes: see `cost_volume`.
        """
        # Guidance of the two decoder steps at their resolution: upsampled by 2 and by 4.
        decoder_guidance = tuple(
            UpsampleBy(2**i, dim, self.dtype, name=f"upsample{i}")(features)
            for i, (dim, features) in enumerate(
                zip(self.config.decoder_guidance_dims, image.guidance, strict=True), start=1
            )
        )
        fields = self.config, self.dtype, self.class_chunk_size, self.remat_policy, self.class_axis
        aggregator = Aggregator(*fields, name="aggregator")
        patches = image.patch_features
        return aggregator(patches, text, patches, decoder_guidance, pooling, real_classes)


class Aggregator(nn.Module):
    """The head without the upsampling of its decoder guidance; attributes as in `SegmentationHead`."""

    config: HeadConfig
    dtype: Any
    class_chunk_size: int
    remat_policy: str
    class_axis: str | None = None

    @nn.compact
    def __call__(
        self,
        patch_features: Float[Array, "B h w D_e"],
        text: Float[Array, "T P D_e"],
        appearance: Float[Array, "B h w D_e"],
        decoder_guidance: tuple[Float[Array, "B _ _ _"], ...],
        pooling: int,
        real_classes: Int32[Array, ""] | None = None,
    ) -> ClassLogits:
        """Logits from the cosines of `patch_features` and `text`.

        Args:
            patch_features: features of the patches.
            text: text features.
            appearance: guidance of the spatial aggregation.
            decoder_guidance: [B, 2h, 2w, 256] and [B, 4h, 4w, 128] as published.
            pooling: see `ClassAggregation`.
            real_classes: see `cost_volume`.
        """
        config, dtype = self.config, self.dtype
        num_classes: int | Array = min(len(text), config.max_classes)
        if real_classes is not None:
            num_classes = jnp.minimum(real_classes, num_classes)
        volume = cost_volume(patch_features, text, config.max_classes, self.class_axis, real_classes)
        class_mask = None
        if volume.class_ids is not None and (self.class_axis or real_classes is not None):
            class_mask = (volume.class_ids >= 0).astype(jnp.float32)
        x = self._embed(volume.cost)
        appearance = nn.relu(Conv(config.guidance_dim, 3, dtype, name="appearance_guidance")(appearance))
        class_text = l2_normalize(volume.text.mean(axis=2)).astype(dtype)
        text_guidance = nn.relu(Dense(config.guidance_dim, dtype=dtype, name="text_guidance")(class_text))
        for i in range(1, config.num_layers + 1):
            spatial = SpatialAggregation(
                config.hidden_dim,
                config.guidance_dim,
                config.num_heads,
                config.window_size,
                dtype,
                parent=None,
            )
            x = self._apply_per_class(f"spatial{i}", spatial, x, appearance)
            sizes = config.hidden_dim, config.guidance_dim, config.num_heads, config.max_classes
            aggregate = ClassAggregation(*sizes, dtype, self.class_axis, name=f"classes{i}")
            x = aggregate(x, text_guidance, pooling, num_classes, class_mask)
        projected = tuple(
            nn.relu(Conv(dim, 3, dtype, name=f"decoder_guidance{i}")(features))
            for i, (dim, features) in enumerate(
                zip(config.decoder_guidance_proj_dims, decoder_guidance, strict=True), start=1
            )
        )
        sizes = config.hidden_dim, config.decoder_dims, config.decoder_guidance_proj_dims
        decoder = Decoder(*sizes, config.prior_prob, dtype, parent=None)
        logits = self._apply_per_class("decoder", decoder, x, projected)
        return ClassLogits(logits, volume.class_ids)

    def _apply_per_class(self, name: str, module: Any, x: Array, guidance: Any) -> Array:
        """Applies a module that treats each class independently, to `class_chunk_size` classes at a time.

        Its `project_guidance` is computed once for all chunks.
        """
        init = lambda module, x: module(x, module.project_guidance(guidance))  # noqa: E731
        params = submodule_params(self, name, lambda rng: nn.init(init, module)(rng, x[:, :1])["params"])
        projected = module.apply({"params": params}, guidance, method="project_guidance")

        def run(chunk: Array) -> Array:
            return cast(Array, module.apply({"params": params}, chunk, projected))

        if module.in_kernel(x):
            return run(x)
        return chunked_map(run, x, self.class_chunk_size, self.remat_policy)

    def _embed(self, cost: Array) -> Array:
        """[B, T, h, w, P] -> [B, T, h, w, C]."""
        b, t = cost.shape[:2]
        # Kept in float32: the cosines of two classes often differ by less than bfloat16 resolves.
        embed = Conv(self.config.hidden_dim, 7, jnp.float32, precision=FLOAT32, name="embed")
        x = embed(cost.reshape(b * t, *cost.shape[2:])).astype(self.dtype)
        return x.reshape(b, t, *x.shape[1:])
