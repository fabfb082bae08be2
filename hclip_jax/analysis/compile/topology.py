"""TPU slices by the names that people say. Only `devices` needs JAX."""

import importlib.util
import math
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from hclip_jax.errors import UserError

if TYPE_CHECKING:
    import jax


class Generation(NamedTuple):
    """A generation of TPUs.

    Attributes:
        memory: bytes of a chip that libtpu lets a program use: a little less than the chip has.
        cores: what the number in a slice's name counts, a chip: 2 where it counts TensorCores.
        shapes: of its slices, in chips.
        options: further arguments of the topology.
    """

    memory: int
    cores: int
    shapes: tuple[tuple[int, ...], ...]
    options: dict[str, Any]


_GIB = 2**30
_FLAT: tuple[tuple[int, ...], ...] = ((1, 1), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16))
_CUBES: tuple[tuple[int, ...], ...] = (
    *((2, 2, 1), (2, 2, 2), (2, 2, 4), (2, 4, 4)),
    *((4, 4, 4), (4, 4, 8), (4, 8, 8), (8, 8, 8)),
)
GENERATIONS = {
    # Megacore: both TensorCores of a chip are one device, as JAX sees it on a v4.
    "v4": Generation(int(30.75 * _GIB), 2, _CUBES, {"chip_config_name": "megacore"}),
    "v5e": Generation(int(15.75 * _GIB), 1, _FLAT, {}),
    "v5p": Generation(int(95.74 * _GIB), 2, _CUBES, {}),
    "v6e": Generation(int(31.25 * _GIB), 1, _FLAT, {}),
}
_SPELLINGS = {"v5litepod": "v5e", "v5lite": "v5e", "v6lite": "v6e"}


class Topology(NamedTuple):
    """A TPU slice.

    Attributes:
        name: such as v5e-256 or v4-64.
        chips: number of chips, each one device of JAX.
        layout: libtpu's name, such as v5e:16x16.
        memory: bytes of a chip that a program may use.
        options: further arguments for libtpu.
    """

    name: str
    chips: int
    layout: str
    memory: int
    options: dict[str, Any]


def parse_topology(name: str) -> Topology:
    """The slice of a name such as v5e-8, v4-64 or v5litepod-16.

    Raises:
        UserError: there is no such slice.
    """
    match = re.fullmatch(r"(v\w+)-(\d{1,5})", name.lower())
    generation = _SPELLINGS.get(match[1], match[1]) if match else ""
    if not match or generation not in GENERATIONS:
        raise UserError(
            f"--topology={name} is no TPU slice; give one of {', '.join(GENERATIONS)} and a size, "
            f"such as v5e-8"
        )
    g, size = GENERATIONS[generation], int(match[2])
    shape = next((shape for shape in g.shapes if math.prod(shape) * g.cores == size), None)
    if shape is None:
        sizes = ", ".join(str(math.prod(shape) * g.cores) for shape in g.shapes)
        raise UserError(f"--topology={name} does not exist; the sizes of {generation} are {sizes}")
    options = dict(g.options)
    if math.prod(shape) == 1:
        options["chips_per_host_bounds"] = (1, 1, 1)  # libtpu assumes hosts of 2 x 2 chips
    layout = f"{generation}:{'x'.join(map(str, shape))}"
    return Topology(f"{generation}-{size}", math.prod(shape), layout, g.memory, options)


def prepare_environment() -> None:
    """Sets what libtpu reads when it is loaded: no TPU is looked for. Call it before JAX is used.

    Raises:
        UserError: libtpu is not installed.
    """
    if importlib.util.find_spec("libtpu") is None:
        raise UserError(
            "libtpu, the compiler for TPUs, is not installed; run pip install 'hclip_jax[compile]'"
        )
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["TPU_SKIP_MDS_QUERY"] = "1"  # or libtpu asks Google Cloud which machine this is
    os.environ["TPU_ACCELERATOR_TYPE"] = "v5litepod-8"  # something valid; the layout decides
    os.environ["TPU_WORKER_HOSTNAMES"] = "localhost"
    os.environ["ALLOW_MULTIPLE_LIBTPU_LOAD"] = "1"  # nothing here uses a TPU, so several may compile


def devices(topology: Topology) -> "list[jax.Device]":
    """The devices of a slice; programs can be compiled for them, and not run."""
    from jax.experimental import topologies

    return topologies.get_topology_desc(topology.layout, "tpu", **topology.options).devices
