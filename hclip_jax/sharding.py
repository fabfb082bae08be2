"""Devices, the mesh, and the one table of sharding rules.

The mesh has two axes, always. "data" shards the images of a batch. "class" shards what belongs to one image:
its classes, and the patches of the image tower where they divide. Prompts are sharded over both, since text
features depend on no image. Parameters are small beside activations and replicated.
"""

import math
import re
from collections.abc import Sequence
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from hclip_jax.errors import UserError

DATA, CLASS = AXES = ("data", "class")

Kind = Literal["params", "images", "prompts", "text_features", "logits"]

RULES: dict[Kind, PartitionSpec] = {
    "params": PartitionSpec(),  # clip, adapters, head, optimizer state
    "images": PartitionSpec(DATA),  # leading axis B of images and labels
    "prompts": PartitionSpec(AXES),  # leading axis S of prompts
    "text_features": PartitionSpec(),  # [T, P, D_e], used with every image
    "logits": PartitionSpec(DATA, CLASS),  # [B, T, ...]
}


def make_mesh(
    devices: int | Sequence[jax.Device] | None = None, *, batch_size: int = 0, shape: str = ""
) -> Mesh:
    """A mesh over the first `devices` devices of this process, or by default over those of all processes.

    Any number of devices serves any batch: those that find no image of their own share the classes of one.

    Args:
        devices: number of devices, or the devices, which may be those of a topology to compile for.
        batch_size: images the mesh is for: "data" gets gcd(devices, batch_size) devices, "class" the rest. 0
            gives all devices to "data".
        shape: "DATAxCLASS", such as "4x16", instead.

    Raises:
        UserError: there are fewer devices, or they do not fit `shape`, or `shape` does not fit the batch.
    """
    chosen = _choose(devices)
    data = math.gcd(len(chosen), batch_size)
    if shape:
        data = _parse_shape(shape, len(chosen), batch_size)
    # Auto axes: outside of shard_map the compiler follows the shardings of the arguments.
    axis_types = (AxisType.Auto, AxisType.Auto)
    return jax.make_mesh((data, len(chosen) // data), AXES, axis_types=axis_types, devices=chosen)


def _choose(devices: int | Sequence[jax.Device] | None) -> Sequence[jax.Device]:
    if devices is None:
        return jax.devices()
    if not isinstance(devices, int):
        return devices
    local = jax.local_devices()
    if not 1 <= devices <= len(local):
        raise UserError(f"the number of devices is {devices}; it must be from 1 to {len(local)}")
    return local[:devices]


def _parse_shape(shape: str, num_devices: int, batch_size: int) -> int:
    match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", shape)
    if not match or int(match[1]) * int(match[2]) != num_devices:
        raise UserError(
            f"the mesh is {shape!r}; it must be DATAxCLASS with a product of {num_devices}, the number of "
            f"devices, such as {num_devices}x1"
        )
    data = int(match[1])
    if batch_size % data:
        fitting = math.gcd(num_devices, batch_size)
        raise UserError(
            f"the mesh is {shape}, but {data} does not divide the {batch_size} images of a batch; give "
            f"{fitting}x{num_devices // fitting}"
        )
    return data


def named_sharding(mesh: Mesh, kind: Kind) -> NamedSharding:
    """The sharding of arrays of one kind of `RULES`."""
    return NamedSharding(mesh, RULES[kind])


def place(tree: Any, mesh: Mesh, kind: Kind) -> Any:
    """Puts a tree of host arrays on the mesh; every process gives them whole."""
    return jax.tree.map(lambda x: _place(np.asarray(x), np.shape(x), 0, named_sharding(mesh, kind)), tree)


def place_rows(tree: Any, mesh: Mesh, rows: range, batch_size: int) -> Any:
    """Puts images and labels on the mesh; each process gives its `local_rows`."""
    put = named_sharding(mesh, "images")
    return jax.tree.map(lambda x: _place(x, (batch_size, *x.shape[1:]), rows.start, put), tree)


def local_rows(mesh: Mesh, batch_size: int) -> range:
    """The rows of a batch that the devices of this process need.

    Processes whose devices share images among themselves, along "class", need the same ones.
    """
    slices = named_sharding(mesh, "images").addressable_devices_indices_map((batch_size,)).values()
    spans = [index[0].indices(batch_size) for index in slices if index]
    return range(min(start for start, _, _ in spans), max(stop for _, stop, _ in spans))


def own_mesh(mesh: Mesh, batch_size: int) -> Mesh:
    """A mesh over those devices of `mesh` that belong to this process, for batches of its own."""
    own = [device for device in mesh.devices.flat if device.process_index == jax.process_index()]
    return make_mesh(own, batch_size=batch_size)


def localize(tree: Any, mesh: Mesh) -> Any:
    """Replicated arrays on the devices of `own_mesh`, without copies."""
    put = named_sharding(mesh, "params")

    def local(x: Any) -> jax.Array:
        if not isinstance(x, jax.Array) or x.is_fully_addressable:
            return jax.device_put(x, put)
        parts = {part.device: part.data for part in x.addressable_shards}
        devices = mesh.devices.flat
        return jax.make_array_from_single_device_arrays(x.shape, put, [parts[d] for d in devices])

    return jax.tree.map(local, tree)


def _place(x: np.ndarray, shape: tuple[int, ...], first: int, put: NamedSharding) -> jax.Array:
    """An array of `shape` from `x`, which holds its rows from `first` on."""

    def part(index: tuple[slice, ...] | None) -> np.ndarray:
        if not index:
            return x
        start, stop, _ = index[0].indices(shape[0])
        return x[(slice(start - first, stop - first), *index[1:])]

    return jax.make_array_from_callback(shape, put, part)
