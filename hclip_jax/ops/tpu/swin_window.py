"""The Swin block on one window of one class: what the kernel computes and differentiates on the chip."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float32

from hclip_jax.ops.activations import gelu_in_one_pass
from hclip_jax.ops.normalization import layer_norm
from hclip_jax.ops.tpu.product import product


def compute_window(
    x: Float32[Array, "N C"],
    query: Array,
    key: Array,
    weights: dict[str, Any],
    *,
    bias: Array,
    heads: int,
    dtype: Any,
) -> Float32[Array, "N C"]:
    """The block on a window of a class, its activations in float32.

    Args:
        x: activations of N patches.
        query: guidance of the window, [N, C].
        key: guidance of the window, [N, C].
        weights: parameters of the block, vectors as [1, C].
        bias: of the logits, [N or 1, N or 1].
        heads: attention heads.
        dtype: of the factors of products.
    """

    def dense(x: Array, layer: Any) -> Array:
        return product(x, layer["kernel"], dtype) + layer["bias"]

    y = _norm(x, weights["norm1"])
    q = product(y, weights["query"], dtype) + query.astype(jnp.float32)
    k = product(y, weights["key"], dtype) + key.astype(jnp.float32)
    v = dense(y, weights["value"])
    channels = x.shape[1]
    ends = itertools.pairwise(range(0, channels + 1, channels // heads))
    attended = [_attend(q[:, i:j], k[:, i:j], v[:, i:j], bias, dtype) for i, j in ends]
    x = x + dense(jnp.concatenate(attended, 1), weights["out"])
    return x + dense(gelu_in_one_pass(dense(_norm(x, weights["norm2"]), weights["fc1"])), weights["fc2"])


def _norm(x: Array, params: Any) -> Array:
    return layer_norm(x, params["scale"][0], params["bias"][0])


def _attend(query: Array, key: Array, value: Array, bias: Array, dtype: Any) -> Array:
    """Attention of one head, [N, c] each; `ops.attention` has an axis of heads."""
    logits = product(query * query.shape[-1] ** -0.5, key, dtype, True) + bias
    return product(jax.nn.softmax(logits), value, dtype)
