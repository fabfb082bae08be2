"""The cost volume: cosines of patches and prompts, for the classes that this device computes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float32, Int32

from hclip_jax.ops.collectives import all_gather, axis_size, own_part
from hclip_jax.ops.normalization import l2_normalize
from hclip_jax.ops.precision import FLOAT32

ABSENT_LOGIT = -100.0
"""The logit of classes that were not selected."""


class CostVolume(NamedTuple):
    """Costs of T' classes of each image: of all min(T, max_classes), or of this device's part of them.

    Attributes:
        cost: float32 [B, T', h, w, P] cosines.
        text: float32 [B, T', P, D_e] text features of length 1.
        class_ids: int32 [B, T'] ids of the classes, -1 on padding; None if they are all T in order.
    """

    cost: Array
    text: Array
    class_ids: Array | None


def cost_volume(
    patch_features: Float[Array, "B h w D_e"],
    text: Float[Array, "T P D_e"],
    max_classes: int,
    class_axis: str | None = None,
    real_classes: Int32[Array, ""] | None = None,
) -> CostVolume:
    """Cosines of all patches with all prompts.

    Args:
        patch_features: features of the patches.
        text: features of the prompts, P for each class.
        max_classes: the number of classes to select for each image: those with the highest cosine anywhere
            in the image.
        class_axis: mesh axis that shares the classes, inside of `jax.shard_map`; None = one device has all.
        real_classes: number of classes that are not padding, which comes last; None = there is no padding.
            More than `max_classes` if T is.

    Returns:
        Costs and text features of the selected classes.
    """
    patches, text = l2_normalize(patch_features), l2_normalize(text)
    num_classes, is_shared = len(text), axis_size(class_axis) > 1
    if num_classes <= max_classes and not is_shared and real_classes is None:
        text_of_images = jnp.broadcast_to(text, (len(patches), *text.shape))
        return CostVolume(_cosines(patches, text), text_of_images, None)

    class_ids = own_part(jnp.arange(num_classes, dtype=jnp.int32), class_axis, axis=0, fill=-1)
    if real_classes is not None:
        class_ids = jnp.where(class_ids < real_classes, class_ids, -1)
    cost = _cosines(patches, _rows(text, class_ids))
    if num_classes <= max_classes:
        class_ids = jnp.broadcast_to(class_ids, (len(patches), len(class_ids)))
        return CostVolume(cost, _rows(text, class_ids), class_ids)

    highest = jnp.where(class_ids >= 0, jnp.max(cost, axis=(2, 3, 4)), -jnp.inf)
    _, topk_ids = jax.lax.top_k(all_gather(highest, class_axis, axis=1), max_classes)
    if not is_shared:
        cost = jnp.take_along_axis(cost, topk_ids[:, :, None, None, None], axis=1)
        return CostVolume(cost, text[topk_ids], topk_ids)
    topk_ids = own_part(topk_ids, class_axis, axis=1, fill=-1)
    topk_text = _rows(text, topk_ids)
    cost = jnp.einsum("BhwD,BTPD->BThwP", patches, topk_text, precision=FLOAT32)
    return CostVolume(cost, topk_text, topk_ids)


def scatter_class_logits(
    logits: Float32[Array, "B selected H W"], class_ids: Int32[Array, "B selected"] | None, num_classes: int
) -> Float32[Array, "B T H W"]:
    """Logits of all T = `num_classes` classes: those of the selected ones, and ABSENT_LOGIT elsewhere."""
    if class_ids is None:
        return logits
    absent = jnp.full((logits.shape[0], num_classes, *logits.shape[2:]), ABSENT_LOGIT, logits.dtype)

    def scatter(image: Array, ids: Array, values: Array) -> Array:
        return image.at[ids].set(values, mode="drop", wrap_negative_indices=False)

    return jax.vmap(scatter)(absent, class_ids, logits)


def _cosines(patches: Array, text: Array) -> Array:
    # The cosines of two classes often differ by less than bfloat16 resolves.
    return jnp.einsum("BhwD,TPD->BThwP", patches, text, precision=FLOAT32)


def _rows(text: Array, class_ids: Array) -> Array:
    """Text features of classes; zeros on padding."""
    return text.at[class_ids].get(mode="fill", fill_value=0, wrap_negative_indices=False)
