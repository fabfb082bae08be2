"""The cost volume: cosines of patches and prompts, for the selected classes of each image."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float32, Int32

from hclip_jax.ops.normalization import l2_normalize

ABSENT_LOGIT = -100.0
"""The logit of classes that were not selected."""


class CostVolume(NamedTuple):
    """Costs of the T' = min(T, max_classes) selected classes of each image.

    Attributes:
        cost: float32 [B, T', h, w, P] cosines.
        text: float32 [B, T', P, D_e] text features of length 1.
        topk_ids: int32 [B, T'] ids of the selected classes; None if all are selected.
    """

    cost: Array
    text: Array
    topk_ids: Array | None


def cost_volume(
    patch_features: Float[Array, "B h w D_e"], text: Float[Array, "T P D_e"], max_classes: int
) -> CostVolume:
    """Cosines of all patches with all prompts.

    Args:
        patch_features: features of the patches.
        text: features of the prompts, P for each class.
        max_classes: the number of classes to select for each image: those with the highest cosine anywhere
            in the image.

    Returns:
        Costs and text features of the selected classes.
    """
    patches, text = l2_normalize(patch_features), l2_normalize(text)
    cost = jnp.einsum("BhwD,TPD->BThwP", patches, text)
    if len(text) <= max_classes:
        return CostVolume(cost, jnp.broadcast_to(text, (len(patches), *text.shape)), None)
    highest = jnp.max(cost, axis=(2, 3, 4))
    _, topk_ids = jax.lax.top_k(highest, max_classes)
    cost = jnp.take_along_axis(cost, topk_ids[:, :, None, None, None], axis=1)
    return CostVolume(cost, text[topk_ids], topk_ids)


def scatter_class_logits(
    logits: Float32[Array, "B selected H W"], topk_ids: Int32[Array, "B selected"] | None, num_classes: int
) -> Float32[Array, "B T H W"]:
    """Logits of all T = `num_classes` classes: those of the selected ones, and ABSENT_LOGIT elsewhere."""
    if topk_ids is None:
        return logits
    absent = jnp.full((logits.shape[0], num_classes, *logits.shape[2:]), ABSENT_LOGIT, logits.dtype)
    return jax.vmap(lambda image, ids, values: image.at[ids].set(values))(absent, topk_ids, logits)
