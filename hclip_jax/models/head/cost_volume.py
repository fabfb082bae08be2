"""The cost volume: cosines of patches and prompts, for the classes worth keeping."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax.ops.normalization import l2_normalize

ABSENT_LOGIT = -100.0  # of classes that were not kept


class CostVolume(NamedTuple):
    """What is left of T classes once the `max_classes` best are kept: T' = min(T, max_classes) a picture."""

    cost: Array  # [B, T', h, w, P] cosines, float32
    text: Array  # [B, T', P, D_e] unit features of the kept classes, float32
    topk_ids: Array | None  # int32 [B, T'] ids of the kept classes; None where all are


def cost_volume(dense: Array, text: Array, max_classes: int) -> CostVolume:
    """Compares every patch with every prompt.

    Args:
        dense: [B, h, w, D_e] patch features.
        text: [T, P, D_e] text features, P prompts a class.
        max_classes: of more classes than this, those with the highest cosine anywhere in the picture are
            kept, picture by picture.

    Returns:
        Costs and unit text features of the kept classes.
    """
    patches, text = l2_normalize(dense), l2_normalize(text)
    cost = jnp.einsum("BhwD,TPD->BThwP", patches, text)
    if len(text) <= max_classes:
        return CostVolume(cost, jnp.broadcast_to(text, (len(dense), *text.shape)), None)
    best = jnp.max(cost, axis=(2, 3, 4))
    _, kept = jax.lax.top_k(best, max_classes)
    cost = jnp.take_along_axis(cost, kept[:, :, None, None, None], axis=1)
    return CostVolume(cost, text[kept], kept)


def scatter_class_logits(logits: Array, kept: Array | None, classes: int) -> Array:
    """Logits [B, T', H, W] of the kept classes among those of all: [B, T, H, W]."""
    if kept is None:
        return logits
    every = jnp.full((logits.shape[0], classes, *logits.shape[2:]), ABSENT_LOGIT, logits.dtype)
    return jax.vmap(lambda picture, ids, values: picture.at[ids].set(values))(every, kept, logits)
