"""Collectives over a mesh axis inside of `jax.shard_map`; with axis None, one device has everything.

Every device computes its own part of the loss, and nothing sums the parts. So the transpose of a sum over
devices is a sum, and the gradient of a replicated parameter is the sum of what all devices compute.
"""

import jax
import jax.numpy as jnp
from jax import Array

Axis = str | tuple[str, ...] | None


def axis_size(axis: Axis) -> int:
    """The number of devices along a mesh axis."""
    return 1 if axis is None else jax.lax.axis_size(axis)


def psum(x: Array, axis: Axis) -> Array:
    """The sum of `x` over the devices of an axis."""
    return x if axis is None else jax.lax.psum(x, axis)


def all_gather(x: Array, mesh_axis: str | None, axis: int) -> Array:
    """The parts of all devices of a mesh axis, concatenated along array axis `axis`."""
    return x if mesh_axis is None else jax.lax.all_gather(x, mesh_axis, axis=axis, tiled=True)


def own_part(x: Array, mesh_axis: str | None, axis: int, fill: int = 0) -> Array:
    """The part of this device along array axis `axis`; parts are equally long, filled up with `fill`."""
    if mesh_axis is None:
        return x
    count = jax.lax.axis_size(mesh_axis)
    size = -(-x.shape[axis] // count)
    widths = [(0, count * size - n if i == axis else 0) for i, n in enumerate(x.shape)]
    padded = jnp.pad(x, widths, constant_values=fill)
    return jax.lax.dynamic_slice_in_dim(padded, jax.lax.axis_index(mesh_axis) * size, size, axis)
