"""The contrastive loss of patches and phrases, and the accuracy of patches among class names.

CLIP compares whole images with captions. Here a patch is compared with phrases: those that are true of the
thing which it shows are pulled to it, the others of the batch are pushed away, and the other way round.
Several phrases are true of one thing ("striped thing", "crimson object"): a target is uniform over them.
"""

from typing import cast

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float32, Int32

from hclip_jax.config.schema import ClipConfig
from hclip_jax.models.clip.image_encoder import ImageEncoder, ImageFeatures, Images
from hclip_jax.models.clip.text_encoder import TextEncoder
from hclip_jax.models.params import Params
from hclip_jax.ops.normalization import l2_normalize

LOGIT_SCALE = 10.0
"""Factor of the cosines, fixed: CLIP learns it and ends at 100 (Radford et al. 2021, section 2.5).

A small factor makes cosines differ more; the head needs fewer steps to learn from them.
"""

_PHRASE_WEIGHT = 0.25  # of the loss of phrases among patches; that of patches among phrases has 1


def cosines(
    config: ClipConfig, clip: Params, images: Images, tokens: Int32[Array, "S n"]
) -> Float32[Array, "B h w S"]:
    """Cosines of all patches of B images with S phrases."""
    features = cast(ImageFeatures, ImageEncoder(config).apply({"params": clip["image"]}, images))
    phrases = cast(Array, TextEncoder(config).apply({"params": clip["text"]}, tokens))
    return jnp.einsum("BhwD,SD->BhwS", l2_normalize(features.patch_features), l2_normalize(phrases))


def region_loss(
    patch_cosines: Float32[Array, "n S"], things: Int32[Array, " n"], named: Float32[Array, "S t"]
) -> Float32[Array, ""]:
    """Cross-entropy of patches among phrases, plus a quarter of that of phrases among patches.

    A patch of a thing that k patches of the batch show has weight 1/sqrt(k), so that backgrounds do not
    outweigh small things.

    Args:
        patch_cosines: from `cosines`, of the n patches of a batch.
        things: what each patch shows; negative = mixed, which takes part in nothing.
        named: 1 for the things, of t, that a phrase is true of.
    """
    logits = LOGIT_SCALE * patch_cosines
    is_clear = (things >= 0).astype(jnp.float32)
    is_true = jnp.take(named, jnp.maximum(things, 0), axis=1).T * is_clear[:, None]
    num_true = is_true.sum(axis=1)
    is_counted = is_clear * (num_true > 0).astype(jnp.float32)
    counts = jnp.zeros(named.shape[1]).at[things].add(is_counted, wrap_negative_indices=False, mode="drop")
    weights = is_counted * jax.lax.rsqrt(jnp.maximum(counts[things], 1.0))
    of_patches = _cross_entropy(logits, is_true, axis=1)
    among_patches = jnp.where(is_clear[:, None] > 0, logits, -1e9)
    of_phrases = _cross_entropy(among_patches, is_true, axis=0)
    patch_loss = (of_patches * weights).sum() / jnp.maximum(weights.sum(), 1e-6)
    return patch_loss + _PHRASE_WEIGHT * of_phrases.mean()


def _cross_entropy(logits: Array, is_true: Array, axis: int) -> Array:
    """Cross-entropy of targets that are uniform over the true ones; 0 where none is."""
    log_probs = jax.nn.log_softmax(logits, axis)
    return -(log_probs * is_true).sum(axis) / jnp.maximum(is_true.sum(axis), 1.0)


def patch_accuracy(
    patch_cosines: Float32[Array, "*grid T"], class_ids: Int32[Array, "*grid"]
) -> Float32[Array, ""]:
    """Share of the labelled patches whose class has the highest cosine; negative ids are unlabelled."""
    is_labelled = class_ids >= 0
    return jnp.sum((patch_cosines.argmax(-1) == class_ids) & is_labelled) / jnp.sum(is_labelled)
