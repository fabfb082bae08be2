"""The report of a compiled program: what it needs of a chip, and its tables."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from hclip_jax.analysis.compile.collectives import Collective, find_collectives, source
from hclip_jax.analysis.compile.hlo import executions, parse, trip_count
from hclip_jax.analysis.compile.traffic import memory_traffic
from hclip_jax.io.tables import markdown_table

_KERNEL = 'custom_call_target="tpu_custom_call"'
"""In the attributes of a call of a kernel of Pallas."""


class Loop(NamedTuple):
    """A loop of a program.

    Attributes:
        times: how often a run executes its body; 0 if the program does not say.
        source: the line of this package that made it.
    """

    times: int
    source: str


class ProgramReport(NamedTuple):
    """A program compiled for one chip of a slice.

    Attributes:
        name: "step" or "evaluation".
        mesh: such as 4x2, "data" first.
        images: images of a run, on all chips.
        memory: bytes a chip by kind; "peak" is the compiler's own figure of all that is alive together.
        flops: floating-point operations a chip of matrix products and convolutions.
        passes: the same, weighted by the passes of the matrix unit (`jaxpr_flops`).
        traffic: bytes a chip between its memory and the chip (`memory_traffic`).
        kernels: calls of the kernels of `ops/tpu` in a run.
        collectives: the transfers between chips.
        loops: the loops.
        seconds: time of the compilation.
    """

    name: str
    mesh: str
    images: int
    memory: dict[str, int]
    flops: float
    passes: float
    traffic: int
    kernels: int
    collectives: list[Collective]
    loops: list[Loop]
    seconds: float

    @property
    def collective_bytes(self) -> int:
        """Bytes of all collectives of a run."""
        return sum(c.total for c in self.collectives)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        collectives = [
            c._asdict() | {"sums_gradients_in_loop": c.sums_gradients_in_loop} for c in self.collectives
        ]
        loops = [loop._asdict() for loop in self.loops]
        totals = {"collective_bytes": self.collective_bytes}
        return self._asdict() | totals | {"collectives": collectives, "loops": loops}


def make_report(
    name: str, axes: dict[str, int], images: int, compiled: Any, flops: tuple[float, float], seconds: float
) -> ProgramReport:
    """Reads a compiled program.

    Args:
        name: of the program.
        axes: size of each mesh axis.
        images: images of a run.
        compiled: `jax.stages.Compiled`.
        flops: operations and passes a chip.
        seconds: time of the compilation.
    """
    program = parse(compiled.as_text())
    stats = compiled.memory_analysis()
    memory = {
        "arguments": stats.argument_size_in_bytes,
        "results": stats.output_size_in_bytes - stats.alias_size_in_bytes,
        "temporaries": stats.temp_size_in_bytes,
        "program": stats.generated_code_size_in_bytes,
        "peak": stats.peak_memory_in_bytes,
    }
    loops = [
        Loop(
            e.times * (trip_count(program, e.instruction, e.computation) or 0),
            source(program, e.instruction, e.computation),
        )
        for e in executions(program)
        if e.instruction.opcode == "while"
    ]
    mesh = "x".join(str(size) for size in axes.values())
    return ProgramReport(
        name,
        mesh,
        images,
        memory,
        *flops,
        memory_traffic(program),
        sum(e.times for e in executions(program) if _KERNEL in e.instruction.attributes),
        find_collectives(program, axes),
        loops,
        round(seconds, 1),
    )


def summary_table(reports: Sequence[ProgramReport], memory: int) -> str:
    """One row a program; `memory` is what a program may use of a chip."""
    kinds = list(reports[0].memory) if reports else []
    header = ["program", "mesh", "images", *(f"{kind} GB" for kind in kinds), "of GB"]
    header += [
        "GFLOP a chip",
        "passes",
        "traffic GB",
        "kernels",
        "collectives",
        "of these in loops",
        "MB",
        "loops",
        "compiled s",
    ]
    rows = [
        [
            *(r.name, r.mesh, str(r.images)),
            *(f"{size / 1e9:.2f}" for size in r.memory.values()),
            f"{memory / 1e9:.1f}",
            f"{r.flops / 1e9:,.0f}",
            f"{r.passes / 1e9:,.0f}",
            f"{r.traffic / 1e9:.1f}",
            str(r.kernels),
            str(sum(c.times for c in r.collectives)),
            str(sum(c.times for c in r.collectives if c.loops)),
            f"{r.collective_bytes / 1e6:.1f}",
            str(len(r.loops)),
            f"{r.seconds:.0f}",
        ]
        for r in reports
    ]
    return markdown_table(header, rows, ["left"] + ["right"] * (len(header) - 1))


def collective_table(report: ProgramReport) -> str:
    """One row for the equal collectives of a line."""
    rows = [
        [
            c.kind,
            c.axis,
            f"{c.bytes / 1e6:.2f}",
            str(c.times),
            f"{c.total / 1e6:.1f}",
            "yes" if c.loops else "",
            c.source,
        ]
        for c in report.collectives
    ]
    header = [f"{report.name}: collective", "axis", "MB", "times", "total MB", "in a loop", "line"]
    return markdown_table(header, rows, ["left", "left", "right", "right", "right", "left", "left"])


def loop_table(report: ProgramReport) -> str:
    """One row for the loops of a line."""
    counts: dict[Loop, int] = {}
    for loop in report.loops:
        counts[loop] = counts.get(loop, 0) + 1
    rows = [[str(count), str(loop.times or "?"), loop.source] for loop, count in counts.items()]
    return markdown_table([f"{report.name}: loops", "iterations", "line"], rows, ["right", "right", "left"])
