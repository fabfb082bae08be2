"""A Swin block of the head as a native kernel."""

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Float32

from hclip_jax.ops.native.call import GRANULE, call_kernel, mlp_params, norm_params


def swin_block(
    x: Float32[Array, "B T h w C"],
    guidance: tuple[Float32[Array, "B 1 windows N C"], Float32[Array, "B 1 windows N C"]],
    params: Any,
    num_heads: int,
    window: tuple[int, int],
    mask: Float[np.ndarray, "windows N N"] | None,
) -> Float32[Array, "B T h w C"]:
    """`SwinBlock`.

    Args:
        x: activations of T classes.
        guidance: of queries and keys.
        params: parameters of the block.
        num_heads: attention heads.
        window: size of the windows, and the number of patches by which they are shifted.
        mask: bias of the logits, for windows that are shifted.
    """
    size, shift = window
    p = params
    operands = (
        x,
        *(g[:, 0] for g in guidance),
        _padded_mask(mask, size * size),
        *norm_params(p["norm1"]),
        *(p[name]["x"]["kernel"] for name in ("query", "key")),
        *(p[name][part] for name in ("value", "out") for part in ("kernel", "bias")),
        *mlp_params(p),
    )
    attributes = {"heads": num_heads, "size": size, "shift": shift}
    (y,) = call_kernel("hclip_jax_swin_block", [x.shape], operands, attributes, in_place=True)
    return y


def _padded_mask(mask: np.ndarray | None, tokens: int) -> Array:
    """Bias [1 or windows, tokens, keys]: -inf for keys beyond `tokens`, up to a multiple of GRANULE."""
    return jnp.asarray(
        _padding(tokens)
        if mask is None
        else np.concatenate(
            [mask, np.broadcast_to(_padding(tokens)[:, :, tokens:], (len(mask), tokens, -tokens % GRANULE))],
            -1,
        )
    )


@functools.cache
def _padding(tokens: int) -> np.ndarray:
    padded = np.zeros((1, tokens, tokens + -tokens % GRANULE), np.float32)
    padded[:, :, tokens:] = -np.inf
    return padded
