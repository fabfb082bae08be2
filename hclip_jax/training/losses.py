"""The training loss: sigmoid cross-entropy, one binary decision for each class at each pixel."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float32, Int32

from hclip_jax.models.head.cost_volume import ABSENT_LOGIT
from hclip_jax.ops import precision, resize
from hclip_jax.ops.collectives import axis_size, psum
from hclip_jax.ops.rows import sum_over_rows


def pixel_weights(
    labels: Int32[Array, "B H W"], num_classes: int, unlabeled: str, data_axis: str | None = None
) -> Float32[Array, "B H W"]:
    """Weights of `segmentation_loss` that make it a mean over the pixels and classes of a batch.

    Args:
        labels: class ids; negative = unlabeled.
        num_classes: T.
        unlabeled: "negative", as published: an unlabeled pixel counts as a negative of every class;
            "ignore": it has weight 0. Without any labeled pixel, all weights are 0.
        data_axis: mesh axis that shares the batch.
    """
    counted = (
        jnp.ones_like(labels, jnp.float32) if unlabeled == "negative" else (labels >= 0).astype(jnp.float32)
    )
    total = jnp.maximum(psum(counted.sum(), data_axis), 1.0)
    return counted / (total * num_classes)


@jax.custom_vjp
def segmentation_loss(
    logits: Float32[Array, "B T _ _"],
    labels: Int32[Array, "B H W"],
    weights: Float32[Array, "B H W"],
    class_ids: Int32[Array, "B T"] | None = None,
) -> Float32[Array, ""]:
    """Sigmoid cross-entropy against one-hot labels, summed over pixels and classes with weights.

    The custom gradient is for memory, on every backend: loss and gradient are computed together, so no
    [B, T, H, W] residual is stored.

    Args:
        logits: on any grid; they are resized bilinearly to the labels.
        labels: class ids; negative = unlabeled.
        weights: of the pixels.
        class_ids: the classes of the logits; negative = padding, which has no loss. None = all in order.
    """
    return _weighted_loss(_resize_to_labels(logits, labels), labels, weights, class_ids)


def absent_class_loss(
    labels: Int32[Array, "B H W"],
    weights: Float32[Array, "B H W"],
    class_ids: Int32[Array, "B T"],
    class_axis: str | None,
) -> Float32[Array, ""]:
    """The loss of the classes that were not selected for an image: their logit is ABSENT_LOGIT everywhere.

    It has no gradient, and is 0 except at pixels labeled with such a class.

    Args:
        labels: class ids; negative = unlabeled.
        weights: of the pixels.
        class_ids: the classes that were selected, or this device's part of them.
        class_axis: mesh axis that shares them; each of its devices returns an equal part of the loss.
    """
    is_selected = psum(_one_hot(labels, class_ids).sum(1), class_axis)
    is_absent = (labels >= 0).astype(jnp.float32) * (1 - is_selected)
    return (-ABSENT_LOGIT / axis_size(class_axis)) * (is_absent * weights).sum()


def _resize_to_labels(logits: Array, labels: Array) -> Array:
    """Logits on the grid of the labels, [B, T, H, W]."""
    _, height, width = labels.shape
    return resize.bilinear(logits, (height, width), axes=(2, 3), precision=precision.of_16_bits())


def _weighted_loss(logits: Array, labels: Array, weights: Array, class_ids: Array | None) -> Array:
    # -log sigmoid(x) for the pixel's class and -log sigmoid(-x) for all others, with one exponential.
    one_hot = _one_hot(labels, _ids(logits, class_ids))
    losses = jnp.maximum(logits, 0) - logits * one_hot + jnp.log1p(jnp.exp(-jnp.abs(logits)))
    losses = losses * _class_weights(weights, class_ids)
    return sum_over_rows(losses.reshape(-1, losses.shape[-1])).sum()


def _ids(logits: Array, class_ids: Array | None) -> Array:
    return jnp.arange(logits.shape[1], dtype=jnp.int32)[None] if class_ids is None else class_ids


def _one_hot(labels: Array, class_ids: Array) -> Array:
    """1 for the class of a pixel, 0 for all others: float32 [B, T, H, W]."""
    # Padding must not match the unlabeled pixels, whose ids are negative as well.
    ids = jnp.where(class_ids < 0, jnp.int32(jnp.iinfo(jnp.int32).max), class_ids)
    return (labels[:, None] == ids[:, :, None, None]).astype(jnp.float32)


def _class_weights(weights: Array, class_ids: Array | None) -> Array:
    """[B, T, H, W], or [B, 1, H, W] if they are the same for all classes."""
    if class_ids is None:
        return weights[:, None]
    return weights[:, None] * (class_ids >= 0).astype(jnp.float32)[:, :, None, None]


def _segmentation_loss_fwd(
    logits: Array, labels: Array, weights: Array, class_ids: Array | None
) -> tuple[Array, Array]:
    """The loss, and its gradient dlogits = (sigmoid(logits) - one_hot) * weights as the residual."""
    resized, resize_vjp = jax.vjp(lambda x: _resize_to_labels(x, labels), logits)
    one_hot = _one_hot(labels, _ids(logits, class_ids))
    dresized = (jax.nn.sigmoid(resized) - one_hot) * _class_weights(weights, class_ids)
    return _weighted_loss(resized, labels, weights, class_ids), resize_vjp(dresized)[0]


def _segmentation_loss_bwd(dlogits: Array, dloss: Array) -> tuple[Array, None, None, None]:
    return dloss * dlogits, None, None, None


segmentation_loss.defvjp(_segmentation_loss_fwd, _segmentation_loss_bwd)
