"""Devices, the mesh, and the one table of what is sharded how.

One axis, "data": pictures are spread over the devices, and so are the sentences of the vocabulary, since
text features depend on no picture. Parameters are small beside activations and live on every device.
"""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

RULES = {
    "parameters": PartitionSpec(),  # clip, adapters, head, optimizer state
    "pictures": PartitionSpec("data"),  # leading axis B of images and labels
    "sentences": PartitionSpec("data"),  # leading axis S of prompts
    "features": PartitionSpec(),  # text features, read by every picture
}


def make_mesh(devices: int | None = None) -> Mesh:
    """A mesh over the first `devices` devices, all of them by default."""
    chosen = jax.devices()[:devices]
    # Auto axes: the compiler follows the shardings of the arguments (the default became Explicit).
    return jax.make_mesh((len(chosen),), ("data",), axis_types=(AxisType.Auto,), devices=chosen)


def sharding(mesh: Mesh, kind: str) -> NamedSharding:
    """How arrays of a kind of `RULES` lie on the mesh."""
    return NamedSharding(mesh, RULES[kind])


def place(tree: Any, mesh: Mesh, kind: str) -> Any:
    """Puts a tree of host arrays on the mesh; of pictures, each process gives its own rows."""
    put = sharding(mesh, kind)
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(put, np.asarray(x)), tree)
