"""Applies a function of single classes to chunks of the class axis, one chunk after another."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from hclip_jax.ops import backend
from hclip_jax.ops.remat import remat

_MIN_HALF_SIZE = 8  # classes: smaller halves save little time and double the program to compile


def chunked_map(
    function: Callable[[Array], Array], x: Float[Array, "B T *rest"], chunk_size: int, remat_policy: str
) -> Float[Array, "B T ..."]:
    """`function(x)`, with memory that hardly grows with T.

    Args:
        function: [B, t, ...] -> [B, t, ...] for any number t of classes, each computed independently of the
            others.
        x: activations of T classes.
        chunk_size: the largest number of classes in a chunk.
        remat_policy: one of `remat.REMAT_POLICIES`, for the activations of a chunk.
    """
    function = remat(remat_policy, _in_halves(function) if backend.on_cpu() else function)
    num_classes = x.shape[1]
    if num_classes <= chunk_size:
        return function(x)
    size = _even_chunk_size(num_classes, chunk_size)
    count = -(-num_classes // size)
    x = jnp.pad(x, [(0, 0), (0, count * size - num_classes), *[(0, 0)] * (x.ndim - 2)])
    chunks = jnp.moveaxis(x.reshape(x.shape[0], count, size, *x.shape[2:]), 1, 0)
    y = jnp.moveaxis(jax.lax.map(function, chunks), 0, 1)
    return y.reshape(x.shape[0], count * size, *y.shape[3:])[:, :num_classes]


def _even_chunk_size(num_classes: int, chunk_size: int) -> int:
    """The size between `chunk_size` / 2 and `chunk_size` whose last chunk needs the fewest padded classes."""
    return min(range(chunk_size, chunk_size // 2, -1), key=lambda size: -num_classes % size)


def _in_halves(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """`function` on both halves of the classes, as two computations independent of each other.

    Much of the code that XLA generates here runs on one core of a CPU; two halves use two.
    """

    def halves(x: Array) -> Array:
        middle = x.shape[1] // 2
        if middle < _MIN_HALF_SIZE:
            return function(x)
        return jnp.concatenate([function(x[:, :middle]), function(x[:, middle:])], axis=1)

    return halves
