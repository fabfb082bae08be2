"""H-CLIP: the flow of the whole model, as code.

    image ───── patches ── clip/image_encoder ─┐
                 adapted weights ↑             ├─ head: cost volume → spatial ⇄ class aggregation → decoder
                 adapters/ (a tuning method)   │
    class names ─ tokens ── clip/text_encoder ─┘

Parameters are one tree of three parts: {"clip": {"image", "text", "logit_scale"}, "adapters", "head"}.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float32, Int32, PRNGKeyArray

from hclip_jax.adapters.methods import AdapterMethod, make_method
from hclip_jax.config.schema import Architecture, ClipConfig
from hclip_jax.models.clip.image_encoder import ImageEncoder, ImageFeatures, Images
from hclip_jax.models.clip.text_encoder import TextEncoder
from hclip_jax.models.head.cost_volume import scatter_class_logits
from hclip_jax.models.head.head import ClassLogits, SegmentationHead
from hclip_jax.models.params import Params
from hclip_jax.ops import resize
from hclip_jax.ops.collectives import axis_size, psum
from hclip_jax.ops.normalization import l2_normalize
from hclip_jax.sharding import AXES, CLASS
from hclip_jax.text.prompts import Prompts, make_prompts

LOGIT_SCALE = math.log(1 / 0.07)
"""Initial value of `logit_scale` in CLIP's training."""


def init_clip(clip: ClipConfig, image_rng: PRNGKeyArray, text_rng: PRNGKeyArray) -> Params:
    """Random float32 parameters of CLIP."""
    image_size = clip.image.image_size
    return {
        "image": ImageEncoder(clip).init(image_rng, jnp.zeros((1, image_size, image_size, 3)))["params"],
        "text": TextEncoder(clip).init(text_rng, jnp.zeros((1, 1), jnp.int32))["params"],
        "logit_scale": jnp.asarray(LOGIT_SCALE, jnp.float32),
    }


@dataclass(frozen=True)
class Model:
    """H-CLIP as pure functions of its parameters.

    >>> import jax
    >>> from hclip_jax.config.overrides import read_config
    >>> model = Model(read_config("tiny").architecture)
    >>> params = jax.jit(model.init)(jax.random.key(0))
    >>> clip = model.adapt(params)
    >>> text = jax.jit(model.encode_text)(clip, model.prompts(["cat", "traffic light", "sky"]))
    >>> text.shape  # classes, prompts a class, D_e
    (3, 1, 64)
    >>> images = jax.numpy.zeros((1, 192, 192, 3))
    >>> segment = jax.jit(model.segment, static_argnames="pooling")
    >>> logits = segment(clip, params["head"], images, text, pooling=1)
    >>> logits.shape  # images, classes, four times the 12 x 12 patches
    (1, 3, 48, 48)

    Attributes:
        architecture: the sub-configurations that define the model.
        sharded: whether the functions run inside of `jax.shard_map` over the mesh of `sharding.py`, with a
            device's part of the prompts and images. Text features are whole on every device.
    """

    architecture: Architecture
    sharded: bool = False

    @property
    def dtype(self) -> Any:
        """Dtype of the towers' activations."""
        return jnp.dtype(self.architecture.model.dtype)

    @property
    def image_encoder(self) -> ImageEncoder:
        """The image tower."""
        a = self.architecture
        num_patches = (a.model.image_size // a.clip.image.patch_size) ** 2
        patch_axis = None if num_patches % axis_size(self._class_axis) else self._class_axis
        return ImageEncoder(
            a.clip, a.head.guidance_layers, self.dtype, a.model.tower_remat_policy, patch_axis
        )

    @property
    def text_encoder(self) -> TextEncoder:
        """The text tower."""
        a = self.architecture
        return TextEncoder(a.clip, self.dtype, a.model.tower_remat_policy)

    @property
    def head(self) -> SegmentationHead:
        """The segmentation head."""
        a = self.architecture
        dtype, m = jnp.dtype(a.model.head_dtype), a.model
        return SegmentationHead(a.head, dtype, m.class_chunk_size, m.head_remat_policy, self._class_axis)

    @property
    def _class_axis(self) -> str | None:
        return CLASS if self.sharded and axis_size(CLASS) > 1 else None

    @property
    def method(self) -> AdapterMethod:
        """The tuning method."""
        return make_method(self.architecture.adapters)

    def prompts(self, class_names: Sequence[str]) -> Prompts:
        """Tokenized prompts for T class names.

        Raises:
            UserError: a class name is empty, repeated or too long.
        """
        prompts = self.architecture.prompts
        return make_prompts(
            class_names, prompts.templates, prompts.synonyms, self.architecture.clip.text.context_length
        )

    def init(self, rng: PRNGKeyArray, clip: Params | None = None) -> Params:
        """Initial float32 parameters.

        Args:
            rng: key of all random parameters.
            clip: CLIP's parameters; None draws random ones.

        Returns:
            "clip", "adapters", with which `adapt` returns CLIP unchanged, and "head".
        """
        image_rng, text_rng, head_rng = jax.random.split(rng, 3)
        a = self.architecture
        clip = init_clip(a.clip, image_rng, text_rng) if clip is None else clip
        features = self.encode_image(clip, jnp.zeros((1, 1, 1, 3)))
        text = jnp.zeros((1, len(a.prompts.templates), a.clip.embed_dim))
        return {
            "clip": clip,
            # Not a fourth key of the split, which would change the other three.
            "adapters": self.method.init(jax.random.fold_in(rng, 3), clip),
            "head": self.head.init(head_rng, features, text, 1)["params"],
        }

    def adapt(self, params: Params) -> Params:
        """CLIP's weights with the adapters applied; call it once a step, or once in inference.

        Parameters without "adapters" are those of a merged model, whose CLIP is adapted already.
        """
        if "adapters" not in params:
            return params["clip"]
        return self.method.apply(params["clip"], params["adapters"])

    def encode_text(self, clip: Params, prompts: Prompts) -> Float32[Array, "T P D_e"]:
        """Text features of length 1, of T classes in P templates.

        Args:
            clip: adapted CLIP weights.
            prompts: prompts with the same segment id, those of synonyms, are averaged.
        """
        features = self.text_encoder.apply(
            {"params": clip["text"]}, prompts.tokens, prompts.shared_prefix_len
        )
        feature_sum = jax.ops.segment_sum(
            l2_normalize(cast(Array, features)),
            prompts.segment_ids,
            num_segments=prompts.num_classes * prompts.num_templates,
        )
        feature_sum = psum(feature_sum, AXES if self.sharded else None)
        return l2_normalize(feature_sum).reshape(prompts.num_classes, prompts.num_templates, -1)

    def encode_image(self, clip: Params, images: Images) -> ImageFeatures:
        """Features of images of any size, which are resized to the model's image size.

        Args:
            clip: adapted CLIP weights.
            images: RGB in 0..255.
        """
        size = self.architecture.model.image_size
        resized = resize.bilinear(images.astype(jnp.float32), (size, size), axes=(1, 2))
        return cast(ImageFeatures, self.image_encoder.apply({"params": clip["image"]}, resized))

    def segment(
        self, clip: Params, head: Params, images: Images, text: Float32[Array, "T P D_e"], pooling: int
    ) -> Float32[Array, "B T _ _"]:
        """Logits of images, on four times the patch grid: [B, T, 4h, 4w].

        With more than `max_classes` classes, those that were not selected have ABSENT_LOGIT.

        Args:
            clip: adapted CLIP weights.
            head: parameters of the segmentation head.
            images: RGB in 0..255, of any size.
            text: text features from `encode_text`.
            pooling: patches that the class aggregation averages, on each axis; must divide h and w.
        """
        logits, class_ids = self.class_logits(clip, head, images, text, pooling)
        return scatter_class_logits(logits, class_ids, len(text))

    def class_logits(
        self,
        clip: Params,
        head: Params,
        images: Images,
        text: Float32[Array, "T P D_e"],
        pooling: int,
        real_classes: Int32[Array, ""] | None = None,
    ) -> ClassLogits:
        """Logits of the selected classes, or of this device's part of them.

        Arguments as for `segment`; `real_classes` as for `cost_volume`.
        """
        features = self.encode_image(clip, images)
        return cast(ClassLogits, self.head.apply({"params": head}, features, text, pooling, real_classes))
