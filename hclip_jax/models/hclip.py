"""H-CLIP as a whole: the picture of its flow, as code.

    image ── patches ── clip/image_encoder ─┐
              adapted weights ↑             ├─ segmenter: cost volume → spatial ⇄ class aggregation → decoder
              adapters/ (a tuning method)   │
    names ── tokens ── clip/text_encoder ───┘

Parameters are one tree of three parts: {"clip": {"image", "text", "logit_scale"}, "adapters", "head"}.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax.adapters.methods import AdapterMethod, make_method
from hclip_jax.config.schema import Architecture, ClipConfig
from hclip_jax.models.clip.image_encoder import ImageEncoder, ImageFeatures
from hclip_jax.models.clip.text_encoder import TextEncoder
from hclip_jax.models.head.head import SegmentationHead
from hclip_jax.models.params import Params
from hclip_jax.ops import resize
from hclip_jax.ops.normalization import l2_normalize
from hclip_jax.text.prompts import Prompts, make_prompts

LOGIT_SCALE = math.log(1 / 0.07)  # where CLIP's training starts


def init_clip(clip: ClipConfig, image_rng: Array, text_rng: Array) -> Params:
    """Random parameters of CLIP alone, float32."""
    side = clip.image.image_size
    return {
        "image": ImageEncoder(clip).init(image_rng, jnp.zeros((1, side, side, 3)))["params"],
        "text": TextEncoder(clip).init(text_rng, jnp.zeros((1, 1), jnp.int32))["params"],
        "logit_scale": jnp.asarray(LOGIT_SCALE, jnp.float32),
    }


@dataclass(frozen=True)
class Model:
    """Pure functions of parameters; holds the architecture and nothing else."""

    architecture: Architecture

    @property
    def dtype(self) -> Any:
        """The dtype the towers' activations are computed in."""
        return jnp.dtype(self.architecture.model.dtype)

    @property
    def image_encoder(self) -> ImageEncoder:
        """The image tower."""
        a = self.architecture
        return ImageEncoder(a.clip, a.head.guidance_layers, self.dtype, a.model.tower_remat_policy)

    @property
    def text_encoder(self) -> TextEncoder:
        """The text tower."""
        a = self.architecture
        return TextEncoder(a.clip, self.dtype, a.model.tower_remat_policy)

    @property
    def head(self) -> SegmentationHead:
        """The segmentation head."""
        a = self.architecture
        dtype = jnp.dtype(a.model.head_dtype)
        return SegmentationHead(a.head, dtype, a.model.class_chunk_size, a.model.head_remat_policy)

    @property
    def method(self) -> AdapterMethod:
        """The method CLIP is tuned by."""
        return make_method(self.architecture.adapters)

    def prompts(self, class_names: Sequence[str]) -> Prompts:
        """The sentences that T classes are told to the text tower by.

        Raises:
            UserError: a class name is empty, repeated or too long.
        """
        prompts = self.architecture.prompts
        return make_prompts(
            class_names, prompts.templates, prompts.synonyms, self.architecture.clip.text.context_length
        )

    def init(self, rng: Array, clip: Params | None = None) -> Params:
        """Parameters of all three parts, float32.

        Args:
            rng: of all that is random.
            clip: CLIP's parameters to start from; None = random ones.

        Returns:
            "clip", "adapters", which change nothing yet, and "head".
        """
        image_rng, text_rng, head_rng = jax.random.split(rng, 3)
        a = self.architecture
        clip = init_clip(a.clip, image_rng, text_rng) if clip is None else clip
        features = self.encode_image(clip, jnp.zeros((1, 1, 1, 3)))
        words = jnp.zeros((1, len(a.prompts.templates), a.clip.embed_dim))
        return {
            "clip": clip,
            # A fourth of its own, so that the other three stay what they were.
            "adapters": self.method.init(jax.random.fold_in(rng, 3), clip),
            "head": self.head.init(head_rng, features, words, 1)["params"],
        }

    def adapt(self, params: Params) -> Params:
        """CLIP weights with the adapters folded in; call it once a step, or once for all.

        Parameters without "adapters" are those of a model that was merged: CLIP is as it should be.
        """
        if "adapters" not in params:
            return params["clip"]
        return self.method.apply(params["clip"], params["adapters"])

    def encode_text(self, clip: Params, prompts: Prompts) -> Array:
        """Text features of T classes with P templates.

        Args:
            clip: adapted CLIP weights.
            prompts: the classes' sentences; those of the same owner are averaged.

        Returns:
            float32 [T, P, D_e], of length 1.
        """
        owners = prompts.num_classes * prompts.num_templates
        features = self.text_encoder.apply(
            {"params": clip["text"]}, prompts.tokens, prompts.shared_prefix_len
        )
        total = jax.ops.segment_sum(
            l2_normalize(cast(Array, features)), prompts.segment_ids, num_segments=owners
        )
        return l2_normalize(total).reshape(prompts.num_classes, prompts.num_templates, -1)

    def encode_image(self, clip: Params, images: Array) -> ImageFeatures:
        """Patch features of pictures [B, H, W, 3] in 0..255, resized to what CLIP reads if need be."""
        side = self.architecture.model.image_size
        images = resize.bilinear(images.astype(jnp.float32), (side, side), axes=(1, 2))
        return cast(ImageFeatures, self.image_encoder.apply({"params": clip["image"]}, images))

    def segment(self, clip: Params, head: Params, images: Array, text: Array, pooling: int) -> Array:
        """Logits of pictures.

        Args:
            clip: adapted CLIP weights.
            head: weights of the segmentation head.
            images: [B, H, W, 3] RGB in 0..255.
            text: [T, P, D_e] from `encode_text`.
            pooling: of the class aggregation.

        Returns:
            float32 [B, T, 4h, 4w] on four times the patch grid.
        """
        features = self.encode_image(clip, images)
        return cast(Array, self.head.apply({"params": head}, features, text, pooling))
