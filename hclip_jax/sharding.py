"""Devices, the mesh, and the one table of sharding rules.

One axis, "data": images are sharded over the devices, and so are prompts, since text features depend on no
image. Parameters are small beside activations and replicated.
"""

from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from hclip_jax.errors import UserError

Kind = Literal["params", "images", "prompts", "text_features"]

RULES: dict[Kind, PartitionSpec] = {
    "params": PartitionSpec(),  # clip, adapters, head, optimizer state
    "images": PartitionSpec("data"),  # leading axis B of images and labels
    "prompts": PartitionSpec("data"),  # leading axis S of prompts
    "text_features": PartitionSpec(),  # [T, P, D_e], used with every image
}


def make_mesh(devices: int | None = None) -> Mesh:
    """A mesh over the first `devices` devices, all of them by default.

    Raises:
        UserError: there are fewer.
    """
    if devices is not None and not 1 <= devices <= len(jax.devices()):
        raise UserError(f"the number of devices is {devices}; it must be from 1 to {len(jax.devices())}")
    chosen = jax.devices()[:devices]
    # Auto axes: the compiler follows the shardings of the arguments (the default became Explicit).
    return jax.make_mesh((len(chosen),), ("data",), axis_types=(AxisType.Auto,), devices=chosen)


def named_sharding(mesh: Mesh, kind: Kind) -> NamedSharding:
    """The sharding of arrays of one kind of `RULES`."""
    return NamedSharding(mesh, RULES[kind])


def place(tree: Any, mesh: Mesh, kind: Kind) -> Any:
    """Puts a tree of host arrays on the mesh; of images, each process gives its own rows."""
    put = named_sharding(mesh, kind)
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(put, np.asarray(x)), tree)
