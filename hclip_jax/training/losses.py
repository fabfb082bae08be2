"""The loss: every class at every pixel is a yes-or-no question."""

import jax.numpy as jnp
import optax
from jax import Array

from hclip_jax import resize


def segmentation_loss(logits: Array, labels: Array, ignore: str) -> Array:
    """Sigmoid cross-entropy against one-hot labels, averaged over pixels and classes.

    Args:
        logits: float32 [B, T, H', W'], resized bilinearly to the labels.
        labels: int32 [B, H, W] class ids; negative = unlabelled.
        ignore: "negative", as published: an unlabelled pixel is no class at all, and counts;
            "masked": it is left out of the mean.

    Returns:
        float32 scalar; with "masked" and no labelled pixel, 0.
    """
    _, height, width = labels.shape
    logits = resize.bilinear(logits, (height, width), axes=(2, 3))
    classes = jnp.arange(logits.shape[1], dtype=labels.dtype)
    targets = labels[:, None] == classes[None, :, None, None]
    losses = optax.sigmoid_binary_cross_entropy(logits, targets.astype(logits.dtype))
    if ignore == "negative":
        return losses.mean()
    labelled = (labels >= 0).astype(logits.dtype)
    count = jnp.maximum(labelled.sum(), 1.0) * logits.shape[1]
    return (losses * labelled[:, None]).sum() / count
