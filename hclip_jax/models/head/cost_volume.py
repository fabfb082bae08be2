"""The cost volume: cosines of patches and prompts, for the classes worth keeping."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

ABSENT_LOGIT = -100.0  # of classes that were not kept


class CostVolume(NamedTuple):
    """What is left of T classes once the `most` best are kept: T' = min(T, most) a picture."""

    cost: Array  # [B, T', h, w, P] cosines, float32
    text: Array  # [B, T', P, D_e] unit features of the kept classes, float32
    kept: Array | None  # int32 [B, T'] ids of the kept classes; None where all are


def unit(x: Array) -> Array:
    """`x` in float32 with its last axis scaled to length 1."""
    x = x.astype(jnp.float32)
    # The floor is that of PyTorch's normalize: zero vectors stay zero and have finite gradients.
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, 1e-24))


def cost_volume(dense: Array, text: Array, most: int) -> CostVolume:
    """Compares every patch with every prompt.

    Args:
        dense: [B, h, w, D_e] patch features.
        text: [T, P, D_e] text features, P prompts a class.
        most: of more classes than this, those with the highest cosine anywhere in the picture are
            kept, picture by picture.

    Returns:
        Costs and unit text features of the kept classes.
    """
    patches, text = unit(dense), unit(text)
    cost = jnp.einsum("BhwD,TPD->BThwP", patches, text)
    if len(text) <= most:
        return CostVolume(cost, jnp.broadcast_to(text, (len(dense), *text.shape)), None)
    best = jnp.max(cost, axis=(2, 3, 4))
    _, kept = jax.lax.top_k(best, most)
    cost = jnp.take_along_axis(cost, kept[:, :, None, None, None], axis=1)
    return CostVolume(cost, text[kept], kept)


def restore_classes(logits: Array, kept: Array | None, classes: int) -> Array:
    """Logits [B, T', H, W] of the kept classes among those of all: [B, T, H, W]."""
    if kept is None:
        return logits
    every = jnp.full((logits.shape[0], classes, *logits.shape[2:]), ABSENT_LOGIT, logits.dtype)
    return jax.vmap(lambda picture, ids, values: picture.at[ids].set(values))(every, kept, logits)
