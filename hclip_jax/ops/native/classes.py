"""The class aggregation of the head as a native kernel, without gradients."""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float32

from hclip_jax.ops.native.call import call_kernel, mlp_shapes, norm_shapes, operand, operands_of


def class_aggregation(
    x: Float[Array, "B T h w C"],
    guidance: tuple[Float[Array, "B T C"], Float[Array, "B T C"]],
    class_mask: Float32[Array, "B T"] | None,
    padding: tuple[Float32[Array, "K c"], Float32[Array, "K c c"]] | None,
    params: Any,
    num_heads: int,
    residual: bool,
) -> Float32[Array, "B T h w C"]:
    """`ClassAggregation` of pooled costs, before they are resized to the patch grid.

    Args:
        x: pooled costs of all T classes.
        guidance: of queries and keys.
        class_mask: 1 for a class, 0 for padding.
        padding: sums of the padding tokens' keys, and of their keys times values; None = no tokens.
        params: parameters of the module.
        num_heads: K.
        residual: whether to add x once more, the residual of costs that were not pooled.

    Raises:
        ValueError: arrays do not fit together.
    """
    b, t, _, _, channels = x.shape
    c = channels // num_heads
    mask = jnp.ones((), jnp.float32) if class_mask is None else class_mask
    key_sum, key_value_sum = padding or (jnp.zeros((), jnp.float32),) * 2
    operands = (
        operand(x, x.shape),
        *(operand(g, (b, t, channels)) for g in guidance),
        operand(mask, (b, t)),
        operand(key_sum, (num_heads, c)),
        operand(key_value_sum, (num_heads, c, c)),
        *operands_of(params, _shapes(channels)),
    )
    attributes = {"heads": num_heads, "residual": int(residual)}
    (y,) = call_kernel("hclip_jax_class_aggregation", [x.shape], operands, attributes, in_place=True)
    return y


def _shapes(channels: int) -> dict[str, tuple[int, ...]]:
    projections = {f"{name}/kernel": (channels, channels) for name in ("query/x", "key/x", "value")}
    return {
        **norm_shapes("norm1", channels),
        **projections,
        "value/bias": (channels,),
        **mlp_shapes(channels),
    }
