"""The loss: every class at every pixel is a yes-or-no question."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax.ops import resize
from hclip_jax.ops.dense import sum_over_rows


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def segmentation_loss(logits: Array, labels: Array, ignore: str) -> Array:
    """Sigmoid cross-entropy against one-hot labels, averaged over pixels and classes.

    Args:
        logits: float32 [B, T, H', W'], resized bilinearly to the labels.
        labels: int32 [B, H, W] class ids; negative = unlabelled.
        ignore: "negative", as published: an unlabelled pixel is no class at all, and counts;
            "ignore": it is left out of the mean.

    Returns:
        float32 scalar; with "ignore" and no labelled pixel, 0.
    """
    return _mean(_to_labels(logits, labels), labels, ignore)


def _to_labels(logits: Array, labels: Array) -> Array:
    """[B, T, H', W'] -> [B, T, H, W]."""
    _, height, width = labels.shape
    return resize.bilinear(logits, (height, width), axes=(2, 3))


def _mean(logits: Array, labels: Array, ignore: str) -> Array:
    # -log sigmoid(x) for the pixel's class, -log sigmoid(-x) for all others, from one exponential.
    losses = jnp.maximum(logits, 0) - logits * _targets(logits, labels) + jnp.log1p(jnp.exp(-jnp.abs(logits)))
    losses = losses * _weights(labels, logits.shape[1], ignore)
    return sum_over_rows(losses.reshape(-1, losses.shape[-1])).sum()


def _targets(logits: Array, labels: Array) -> Array:
    """1 for the class of a pixel, else 0: [B, T, H, W]."""
    classes = jnp.arange(logits.shape[1], dtype=labels.dtype)
    return (labels[:, None] == classes[None, :, None, None]).astype(logits.dtype)


def _weights(labels: Array, classes: int, ignore: str) -> Array:
    """What a pixel's losses count in the mean: [B, 1, H, W]."""
    counted = (
        jnp.ones_like(labels, jnp.float32) if ignore == "negative" else (labels >= 0).astype(jnp.float32)
    )
    return (counted / (jnp.maximum(counted.sum(), 1.0) * classes))[:, None]


def _forward(logits: Array, labels: Array, ignore: str) -> tuple[Array, Array]:
    """The loss and, as it is known by then, the gradient: of T x H x W numbers nothing else is kept."""
    large, to_small = jax.vjp(lambda x: _to_labels(x, labels), logits)
    slope = (jax.nn.sigmoid(large) - _targets(large, labels)) * _weights(labels, large.shape[1], ignore)
    return _mean(large, labels, ignore), to_small(slope)[0]


def _backward(_: str, gradient: Array, g: Array) -> tuple[Array, None]:
    return g * gradient, None


segmentation_loss.defvjp(_forward, _backward)
