"""The collectives of a compiled program: kind, size, times, mesh axis and source line."""

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hclip_jax.analysis.compile.hlo import (
    Execution,
    Instruction,
    Program,
    executions,
    is_sliced,
    num_bytes,
    op_name,
    source_lines,
)

KINDS = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "ragged-all-to-all",
    "collective-permute",
)
_WRITTEN_BY_US = ("psum", "psum_invariant", "all_gather", "reduce_scatter", "pmax", "ppermute", "all_to_all")


class Collective(NamedTuple):
    """A collective of a program.

    Attributes:
        kind: one of KINDS.
        bytes: of the whole array that is summed, gathered or scattered, one time.
        times: how often a run executes it.
        loops: number of loops around it.
        axis: mesh axes over which it runs, such as "data" or "data, class".
        source: the line of this package that made it.
        inserted: whether the compiler inserted it, and no line of this package asks for it.
    """

    kind: str
    bytes: int
    times: int
    loops: int
    axis: str
    source: str
    inserted: bool

    @property
    def total(self) -> int:
        """Bytes of all executions."""
        return self.bytes * self.times

    @property
    def sums_gradients_in_loop(self) -> bool:
        """Whether this is a sum of gradients inside of a loop.

        Within a loop, our own sums are of one image over its chips, so a sum over "data" is one of gradients.
        So is a whole sum that the compiler inserted, over whichever axis.
        """
        is_sum = self.kind in ("all-reduce", "reduce-scatter")
        is_inserted = self.kind == "all-reduce" and self.inserted
        return self.loops > 0 and is_sum and ("data" in self.axis or is_inserted)


def find_collectives(program: Program, axes: dict[str, int]) -> list[Collective]:
    """The collectives that a run executes, equal ones of a line together, the largest first.

    Args:
        program: the compiled program.
        axes: size of each mesh axis, in the order of the mesh.
    """
    totals: dict[Collective, int] = {}
    for execution in executions(program):
        if collective := _collective(program, execution, axes):
            key = collective._replace(times=0)
            totals[key] = totals.get(key, 0) + collective.times
    found = [key._replace(times=times) for key, times in totals.items()]
    return sorted(found, key=lambda c: -c.total)


def _collective(program: Program, execution: Execution, axes: dict[str, int]) -> Collective | None:
    instruction, computation = execution.instruction, execution.computation
    kind = instruction.opcode.removesuffix("-start")
    if kind not in KINDS:
        return None
    groups, sizes = replica_groups(instruction.attributes), num_bytes(instruction.shape)
    size = sum(sizes)
    if instruction.opcode in ("all-gather-start", "collective-permute-start"):
        size = max(sizes)  # the result is a tuple of the operand and the gathered array
    if kind == "reduce-scatter" and groups:
        size *= len(groups[0])
    name = op_name(instruction)
    # The TPU compiler makes of a reduce_scatter a sum without a name, of which each chip keeps a slice.
    if kind == "all-reduce" and not name and is_sliced(program, instruction.name, computation):
        kind = "reduce-scatter"
    return Collective(
        kind=kind,
        bytes=size,
        times=execution.times,
        loops=len(execution.loops),
        axis=mesh_axis(groups, axes),
        source=source(program, instruction, computation),
        inserted=name.rpartition("/")[2] not in _WRITTEN_BY_US,
    )


def replica_groups(attributes: str) -> list[list[int]]:
    """The groups of devices, by their index in the mesh; empty if the instruction has none."""
    if match := re.search(r"replica_groups=\{((?:\{[\d,]*\},?)+)\}", attributes):
        return [[int(n) for n in group.split(",")] for group in re.findall(r"\{([\d,]+)\}", match[1])]
    if match := re.search(r"replica_groups=\[(\d+),(\d+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?", attributes):
        ids = np.arange(int(match[1]) * int(match[2])).reshape([int(n) for n in match[3].split(",")])
        if match[4]:
            ids = ids.transpose([int(n) for n in match[4].split(",")])
        return ids.reshape(int(match[1]), int(match[2])).tolist()
    return []


def mesh_axis(groups: Sequence[Sequence[int]], axes: dict[str, int]) -> str:
    """The mesh axes whose devices are together in a group, such as "class"; "?" if there are none such."""
    ids = np.arange(np.prod(list(axes.values()), dtype=int)).reshape(list(axes.values()))
    wanted = sorted(map(sorted, groups))
    large = [name for name, size in axes.items() if size > 1]
    for count in range(1, len(large) + 1):
        for names in itertools.combinations(large, count):
            last = np.moveaxis(ids, [list(axes).index(name) for name in names], range(-count, 0))
            if sorted(map(sorted, last.reshape(-1, np.prod([axes[n] for n in names])).tolist())) == wanted:
                return ", ".join(names)
    return "?" if groups else ", ".join(large)


def source(program: Program, instruction: Instruction, computation: list[Instruction]) -> str:
    """The innermost line of this package that made an instruction, without the helpers of `ops/collectives`.

    Where the compiler dropped it, the line that made an operand.
    """
    operands = [i for i in computation if i.name in instruction.operands]
    for candidate in (instruction, *operands):
        for line in source_lines(program, candidate):
            own = line.rpartition("/hclip_jax/")[2] if "/hclip_jax/" in line else ""
            if own and not own.startswith("ops/collectives.py"):
                return own
    return op_name(instruction) or "?"
