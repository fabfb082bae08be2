"""The class aggregation of the head as a native kernel, without gradients."""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float32

from hclip_jax.ops.native.call import call_kernel, mlp_params, norm_params


def class_aggregation(
    x: Float32[Array, "B T h w C"],
    guidance: tuple[Float32[Array, "B T C"], Float32[Array, "B T C"]],
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
    """
    p = params
    mask = jnp.ones(x.shape[:2]) if class_mask is None else class_mask
    c = x.shape[-1] // num_heads
    key_sum, key_value_sum = padding or (jnp.zeros((num_heads, c)), jnp.zeros((num_heads, c, c)))
    operands = (
        x,
        *guidance,
        mask,
        key_sum.reshape(-1),
        key_value_sum,
        *norm_params(p["norm1"]),
        *(p[name]["x"]["kernel"] for name in ("query", "key")),
        *(p["value"][part] for part in ("kernel", "bias")),
        *mlp_params(p),
    )
    attributes = {"heads": num_heads, "residual": int(residual)}
    (y,) = call_kernel("hclip_jax_class_aggregation", [x.shape], operands, attributes, in_place=True)
    return y
