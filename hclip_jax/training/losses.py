"""The training loss: sigmoid cross-entropy, one binary decision for each class at each pixel."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float32, Int32

from hclip_jax.ops import resize
from hclip_jax.ops.rows import sum_over_rows


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def segmentation_loss(
    logits: Float32[Array, "B T _ _"], labels: Int32[Array, "B H W"], unlabeled: str
) -> Float32[Array, ""]:
    """Sigmoid cross-entropy against one-hot labels, averaged over pixels and classes.

    The custom gradient is for memory, on every backend: loss and gradient are computed together, so no
    [B, T, H, W] residual is stored.

    Args:
        logits: on any grid; they are resized bilinearly to the labels.
        labels: class ids; negative = unlabeled.
        unlabeled: "negative", as published: an unlabeled pixel counts as a negative of every class;
            "ignore": it is excluded from the mean.

    Returns:
        The loss; 0 with "ignore" and no labeled pixel.
    """
    return _mean_loss(_resize_to_labels(logits, labels), labels, unlabeled)


def _resize_to_labels(logits: Array, labels: Array) -> Array:
    """Logits on the grid of the labels, [B, T, H, W]."""
    _, height, width = labels.shape
    return resize.bilinear(logits, (height, width), axes=(2, 3))


def _mean_loss(logits: Array, labels: Array, unlabeled: str) -> Array:
    # -log sigmoid(x) for the pixel's class and -log sigmoid(-x) for all others, with one exponential.
    losses = jnp.maximum(logits, 0) - logits * _one_hot(logits, labels) + jnp.log1p(jnp.exp(-jnp.abs(logits)))
    losses = losses * _pixel_weights(labels, logits.shape[1], unlabeled)
    return sum_over_rows(losses.reshape(-1, losses.shape[-1])).sum()


def _one_hot(logits: Array, labels: Array) -> Array:
    """1 for the class of a pixel, 0 for all others: [B, T, H, W]."""
    classes = jnp.arange(logits.shape[1], dtype=labels.dtype)
    return (labels[:, None] == classes[None, :, None, None]).astype(logits.dtype)


def _pixel_weights(labels: Array, num_classes: int, unlabeled: str) -> Array:
    """Weight of each pixel's losses in the mean: [B, 1, H, W]."""
    counted = (
        jnp.ones_like(labels, jnp.float32) if unlabeled == "negative" else (labels >= 0).astype(jnp.float32)
    )
    return (counted / (jnp.maximum(counted.sum(), 1.0) * num_classes))[:, None]


def _segmentation_loss_fwd(logits: Array, labels: Array, unlabeled: str) -> tuple[Array, Array]:
    """The loss, and its gradient dlogits = (sigmoid(logits) - one_hot) * weights as the residual."""
    resized, resize_vjp = jax.vjp(lambda x: _resize_to_labels(x, labels), logits)
    weights = _pixel_weights(labels, resized.shape[1], unlabeled)
    dresized = (jax.nn.sigmoid(resized) - _one_hot(resized, labels)) * weights
    return _mean_loss(resized, labels, unlabeled), resize_vjp(dresized)[0]


def _segmentation_loss_bwd(unlabeled: str, dlogits: Array, dloss: Array) -> tuple[Array, None]:
    del unlabeled
    return dloss * dlogits, None


segmentation_loss.defvjp(_segmentation_loss_fwd, _segmentation_loss_bwd)
