"""Work that is the same for every class, on a few classes at a time."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax.ops.remat import remat

_WORTH_IT = 8  # classes: with fewer in a half there is little to save, and as much more to compile


def chunked_map(function: Callable[[Array], Array], x: Array, chunk_size: int, remat_policy: str) -> Array:
    """Applies `function` to chunks of the class axis, one after another, so that memory hardly grows with T.

    Args:
        function: [B, t, ...] -> [B, t, ...] that treats every class by itself.
        x: [B, T, ...].
        chunk_size: classes a chunk, at most.
        remat_policy: what of a chunk's activations the backward pass keeps, one of `remat.REMAT_POLICIES`.

    Returns:
        What `function(x)` is.
    """
    function = remat(remat_policy, _side_by_side(function))
    classes = x.shape[1]
    if classes <= chunk_size:
        return function(x)
    size = _chunk_size(classes, chunk_size)
    count = -(-classes // size)
    x = jnp.pad(x, [(0, 0), (0, count * size - classes), *[(0, 0)] * (x.ndim - 2)])
    chunks = jnp.moveaxis(x.reshape(x.shape[0], count, size, *x.shape[2:]), 1, 0)
    done = jnp.moveaxis(jax.lax.map(function, chunks), 0, 1)
    return done.reshape(x.shape[0], count * size, *done.shape[3:])[:, :classes]


def _chunk_size(classes: int, chunk_size: int) -> int:
    """Of the sizes from `chunk_size` down to half of it, that which adds fewest classes of zeros."""
    return min(range(chunk_size, chunk_size // 2, -1), key=lambda size: -classes % size)


def _side_by_side(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """On CPUs, `function` of both halves of the classes, which need not wait for each other.

    Much of what XLA does in there keeps one core busy; two halves keep two.
    """
    if jax.default_backend() != "cpu":
        return function

    def halves(x: Array) -> Array:
        middle = x.shape[1] // 2
        if middle < _WORTH_IT:
            return function(x)
        return jnp.concatenate([function(x[:, :middle]), function(x[:, middle:])], axis=1)

    return halves
