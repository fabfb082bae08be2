"""A Swin block of the head as a native kernel, with its gradient."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Float32

from hclip_jax.ops.native.call import (
    GRANULE,
    call_kernel,
    mlp_shapes,
    norm_shapes,
    operand,
    operands_of,
    split_like,
)

Weights = tuple[Array, ...]

_SLOTS = 64
"""Accumulators of gradients that are summed over classes, 0.9 MB each at 128 channels.

Their number decides how many threads can work, and the order of sums, whatever the number of threads.
"""


def swin_block(
    x: Float[Array, "B T h w C"],
    guidance: tuple[Float[Array, "B 1 windows N C"], Float[Array, "B 1 windows N C"]],
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

    Raises:
        ValueError: arrays do not fit together.
    """
    b, _, h, w, c = x.shape
    size = window[0]
    shape = (b, (h // size) * (w // size), size**2, c)
    query, key = (operand(g[:, 0], shape) for g in guidance)
    weights = operands_of(params, _shapes(c))
    return _block(operand(x, x.shape), query, key, weights, _padded_mask(mask, size**2), (num_heads, *window))


def _shapes(channels: int) -> dict[str, tuple[int, ...]]:
    kernel, bias = (channels, channels), (channels,)
    query_and_key = {"query/x/kernel": kernel, "key/x/kernel": kernel}
    value_and_out = {"value/kernel": kernel, "value/bias": bias, "out/kernel": kernel, "out/bias": bias}
    return {**norm_shapes("norm1", channels), **query_and_key, **value_and_out, **mlp_shapes(channels)}


@functools.partial(jax.custom_vjp, nondiff_argnums=(5,))
def _block(
    x: Array, query: Array, key: Array, weights: Weights, mask: Array, sizes: tuple[int, int, int]
) -> Array:
    """The kernel: `weights` in the order of its arguments, `sizes` are heads, window size and shift."""
    operands = (x, query, key, mask, *weights)
    (y,) = call_kernel("hclip_jax_swin_block", [x.shape], operands, _attributes(sizes), in_place=True)
    return y


def _block_fwd(
    x: Array, query: Array, key: Array, weights: Weights, mask: Array, sizes: tuple[int, int, int]
) -> tuple[Array, tuple[Any, ...]]:
    operands = (x, query, key, mask, *weights)
    (y,) = call_kernel("hclip_jax_swin_block", [x.shape], operands, _attributes(sizes))
    return y, (x, query, key, mask, weights)


def _block_bwd(
    sizes: tuple[int, int, int], saved: tuple[Any, ...], dy: Array
) -> tuple[Array, Array, Array, Weights, None]:
    """Computes the forward pass of each window again, so nothing but the inputs is saved."""
    x, query, key, mask, weights = saved
    shapes = [x.shape, query.shape, key.shape, (sum(w.size for w in weights),)]
    attributes = {**_attributes(sizes), "slots": _SLOTS}
    operands = (x, query, key, mask, *weights, dy)
    dx, dquery, dkey, dweights = call_kernel("hclip_jax_swin_block_gradient", shapes, operands, attributes)
    return dx, dquery, dkey, split_like(dweights, weights), None


_block.defvjp(_block_fwd, _block_bwd)


def _attributes(sizes: tuple[int, int, int]) -> dict[str, int]:
    return dict(zip(("heads", "size", "shift"), sizes, strict=True))


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
