"""CLIP's contrastive loss: each picture finds its caption in the batch, and each caption its picture."""

from typing import cast

import jax.numpy as jnp
import optax
from jax import Array

from hclip_jax.clip.image_encoder import ImageEncoder
from hclip_jax.clip.text_encoder import TextEncoder
from hclip_jax.config_schema import ClipConfig
from hclip_jax.model import Params
from hclip_jax.segmenter.cost_volume import unit

_MOST_SCALE = 100.0  # Radford et al. 2021, section 2.5: more makes training unstable


def similarities(config: ClipConfig, clip: Params, images: Array, tokens: Array) -> Array:
    """Cosines of pictures [B, H, W, 3] and captions [B, N]: float32 [B, B], a picture a row."""
    pictures = ImageEncoder(config).apply({"params": clip["image"]}, images, method="embed")
    captions = TextEncoder(config).apply({"params": clip["text"]}, tokens)
    return jnp.einsum("BD,AD->BA", unit(cast(Array, pictures)), unit(cast(Array, captions)))


def contrastive_loss(config: ClipConfig, clip: Params, images: Array, tokens: Array) -> Array:
    """Mean cross-entropy of picture to caption and back, at CLIP's learnt temperature; a scalar."""
    scale = jnp.minimum(jnp.exp(clip["logit_scale"]), _MOST_SCALE)
    logits = scale * similarities(config, clip, images, tokens)
    own = jnp.arange(len(logits))
    both = [optax.softmax_cross_entropy_with_integer_labels(x, own).mean() for x in (logits, logits.T)]
    return (both[0] + both[1]) / 2


def found_among(cosines: Array, candidates: int) -> Array:
    """Share of pictures whose own caption is nearest among it and the `candidates` - 1 that follow it.

    Args:
        cosines: [B, B] from `similarities`.
        candidates: at most B.
    """
    pictures = len(cosines)
    choices = (jnp.arange(pictures)[:, None] + jnp.arange(candidates)[None]) % pictures
    return jnp.mean(jnp.argmax(jnp.take_along_axis(cosines, choices, axis=1), axis=1) == 0)
