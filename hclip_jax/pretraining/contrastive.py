"""CLIP's contrastive loss: each picture finds its caption in the batch, and each caption its picture.

With a term for segmentation's sake. The dense last block gives every patch the class token's residual, so
a class token that knows the picture before the last block drowns what patches say of themselves.
"""

from typing import cast

import jax.numpy as jnp
import optax
from jax import Array

from hclip_jax.clip.image_encoder import ImageEncoder
from hclip_jax.clip.text_encoder import TextEncoder
from hclip_jax.config_schema import ClipConfig
from hclip_jax.model import Params
from hclip_jax.segmenter.cost_volume import unit

_EARLY = 0.1  # weight of `early_share` in the loss
_MOST_SCALE = 100.0  # Radford et al. 2021, section 2.5: more makes training unstable


def similarities(config: ClipConfig, clip: Params, images: Array, tokens: Array) -> tuple[Array, Array]:
    """Compares pictures [B, H, W, 3] and captions [B, N].

    Returns:
        Cosines float32 [B, B], a picture a row; and the pictures' class token after each block [L, B, D].
    """
    encoder, params = ImageEncoder(config), {"params": clip["image"]}
    seen = cast(Array, encoder.apply(params, images, method="class_tokens"))
    pictures = cast(Array, encoder.apply(params, seen[-1], method="project"))
    captions = cast(Array, TextEncoder(config).apply({"params": clip["text"]}, tokens))
    return jnp.einsum("BD,AD->BA", unit(pictures), unit(captions)), seen


def early_share(seen: Array) -> Array:
    """How much of what tells pictures apart the class token knows before the last block.

    Args:
        seen: [L, B, D], the class token after each block.

    Returns:
        The variance over pictures before the last block, over that after it: 0 is best for patches.
    """
    before, after = (jnp.sum(jnp.var(token, axis=0)) for token in (seen[-2], seen[-1]))
    return before / after


def contrastive_loss(config: ClipConfig, clip: Params, images: Array, tokens: Array) -> Array:
    """Mean cross-entropy of picture to caption and back at CLIP's temperature, plus `early_share`."""
    scale = jnp.minimum(jnp.exp(clip["logit_scale"]), _MOST_SCALE)
    cosines, seen = similarities(config, clip, images, tokens)
    logits = scale * cosines
    own = jnp.arange(len(logits))
    both = [optax.softmax_cross_entropy_with_integer_labels(x, own).mean() for x in (logits, logits.T)]
    return (both[0] + both[1]) / 2 + _EARLY * early_share(seen)


def found_among(cosines: Array, candidates: int) -> Array:
    """Share of pictures whose own caption is nearest among it and the `candidates` - 1 that follow it.

    Args:
        cosines: [B, B] from `similarities`.
        candidates: at most B.
    """
    pictures = len(cosines)
    choices = (jnp.arange(pictures)[:, None] + jnp.arange(candidates)[None]) % pictures
    return jnp.mean(jnp.argmax(jnp.take_along_axis(cosines, choices, axis=1), axis=1) == 0)
