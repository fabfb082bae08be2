"""CLIP's contrastive loss, changed for segmentation, and the retrieval accuracy.

The loss is the cross-entropy of the matching caption of each image within the batch, and of the matching
image of each caption. Three changes help segmentation:

- Captions are compared with the mean of the patch features as well as with the class token.
- The last block without attention adds the class token's residual to every patch. A class token that
  describes the image before the last block dominates the patch features, so it is penalized.
- The temperature is high and fixed, so cosines differ more; the head needs fewer steps to learn from them.
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

LOGIT_SCALE = 10.0
"""Factor of the cosines; CLIP learns it and ends at 100 (Radford et al. 2021, section 2.5)."""

_EARLY_VARIANCE_WEIGHT = 1.0


def similarities(
    config: ClipConfig, clip: Params, images: Array, tokens: Array
) -> tuple[Array, Array, Array]:
    """Cosines between all images and all captions of a batch.

    Args:
        config: both towers.
        clip: parameters of CLIP.
        images: RGB in 0..255 [B, H, W, 3].
        tokens: int32 [B, N], one caption for each image.

    Returns:
        float32 cosines [B, B] of the class token, images first; the same of the mean over the patches of
        their features of length 1; and the class token after each block [L, B, D].
    """
    encoder, params = ImageEncoder(config), {"params": clip["image"]}
    class_tokens = cast(Array, encoder.apply(params, images, method="class_tokens"))
    image_features = cast(Array, encoder.apply(params, class_tokens[-1], method="project"))
    patch_features = cast(ImageFeatures, encoder.apply(params, images)).patch_features
    captions = l2_normalize(cast(Array, TextEncoder(config).apply({"params": clip["text"]}, tokens)))
    token_cosines, patch_cosines = (
        jnp.einsum("BD,AD->BA", l2_normalize(features), captions)
        for features in (image_features, l2_normalize(patch_features).mean((1, 2)))
    )
    return token_cosines, patch_cosines, class_tokens


def early_variance(class_tokens: Array) -> Array:
    """Variance of the class token over images before the last block, divided by that after it.

    It measures how much of the image the class token encodes before the last block; 0 is best for patches.

    Args:
        class_tokens: [L, B, D], the class token after each block.
    """
    before, after = (jnp.sum(jnp.var(token, axis=0)) for token in (class_tokens[-2], class_tokens[-1]))
    return before / after


def contrastive_loss(config: ClipConfig, clip: Params, images: Array, tokens: Array) -> Array:
    """Mean cross-entropy, images to captions and back, of class tokens and patches, plus `early_variance`.

    Arguments as in `similarities`.
    """
    token_cosines, patch_cosines, class_tokens = similarities(config, clip, images, tokens)
    logits = LOGIT_SCALE * jnp.stack([token_cosines, token_cosines.T, patch_cosines, patch_cosines.T])
    labels = jnp.broadcast_to(jnp.arange(len(images)), logits.shape[:2])
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    return cross_entropy + _EARLY_VARIANCE_WEIGHT * early_variance(class_tokens)


def retrieval_accuracy(cosines: Array, num_candidates: int) -> Array:
    """Fraction of images whose caption has the highest cosine among `num_candidates` captions.

    The candidates of image i are the captions i, i + 1, ... of the batch, modulo B.

    Args:
        cosines: [B, B] from `similarities`.
        num_candidates: at most B.
    """
    num_images = len(cosines)
    candidates = (jnp.arange(num_images)[:, None] + jnp.arange(num_candidates)[None]) % num_images
    return jnp.mean(jnp.argmax(jnp.take_along_axis(cosines, candidates, axis=1), axis=1) == 0)
