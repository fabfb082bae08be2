"""CLIP's contrastive loss: each picture finds its caption in the batch, and each caption its picture.

Three things are for segmentation's sake. Captions are compared with the mean of the patches as well as with
the class token. The dense last block gives every patch the class token's residual, so a class token that
knows the picture before the last block, which drowns what patches say of themselves, is penalised. And the
temperature is high and fixed: cosines must lie far apart, which a head learns to read in fewer steps.
"""

from typing import cast

import jax.numpy as jnp
import optax
from jax import Array

from hclip_jax.config.schema import ClipConfig
from hclip_jax.models.clip.image_encoder import ImageEncoder, ImageFeatures
from hclip_jax.models.clip.text_encoder import TextEncoder
from hclip_jax.models.params import Params
from hclip_jax.ops.normalization import l2_normalize

SCALE = 10.0
"""What cosines are multiplied by; CLIP learns it and ends at 100 (Radford et al. 2021, section 2.5)."""

_EARLY = 1.0  # weight of `early_share` in the loss


def similarities(
    config: ClipConfig, clip: Params, images: Array, tokens: Array
) -> tuple[Array, Array, Array]:
    """Compares pictures [B, H, W, 3] and captions [B, N].

    Returns:
        Cosines float32 [B, B], a picture a row, by the class token; the same by the mean of its patches, of
        length 1 each; and the pictures' class token after each block [L, B, D].
    """
    encoder, params = ImageEncoder(config), {"params": clip["image"]}
    seen = cast(Array, encoder.apply(params, images, method="class_tokens"))
    pictures = cast(Array, encoder.apply(params, seen[-1], method="project"))
    patches = cast(ImageFeatures, encoder.apply(params, images)).patch_features
    captions = l2_normalize(cast(Array, TextEncoder(config).apply({"params": clip["text"]}, tokens)))
    by_token, by_patches = (
        jnp.einsum("BD,AD->BA", l2_normalize(x), captions)
        for x in (pictures, l2_normalize(patches).mean((1, 2)))
    )
    return by_token, by_patches, seen


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
    """Mean cross-entropy of picture to caption and back, by class token and patches, plus `early_share`."""
    by_token, by_patches, seen = similarities(config, clip, images, tokens)
    own = jnp.arange(len(images))
    logits = SCALE * jnp.stack([by_token, by_token.T, by_patches, by_patches.T])
    own = jnp.broadcast_to(jnp.arange(len(images)), logits.shape[:2])
    return optax.softmax_cross_entropy_with_integer_labels(logits, own).mean() + _EARLY * early_share(seen)


def found_among(cosines: Array, candidates: int) -> Array:
    """Share of pictures whose own caption is nearest among it and the `candidates` - 1 that follow it.

    Args:
        cosines: [B, B] from `similarities`.
        candidates: at most B.
    """
    pictures = len(cosines)
    choices = (jnp.arange(pictures)[:, None] + jnp.arange(candidates)[None]) % pictures
    return jnp.mean(jnp.argmax(jnp.take_along_axis(cosines, choices, axis=1), axis=1) == 0)
