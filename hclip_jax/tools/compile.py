"""Compiles the training step and the evaluation for a TPU slice, on a machine without a TPU.

hclip compile --topology=NAME [--config=NAME|FILE] [--config.FIELD=VALUE ...] [--mesh=DATAxCLASS]
    [--classes=171] [--programs=step,evaluation] [--effort=-1] [--output=DIR] [--against=REPORT.json]

NAME is a slice: v5e-8, v5e-256, v4-64, v5p-128, v6e-8, ... Needs libtpu (pip install "hclip_jax[compile]").
Prints what a chip needs: memory by kind, GFLOP with the passes of its matrix unit, what moves between its
memory and the chip, how often it calls kernels (of hclip_jax/ops/tpu), every collective with size, times,
mesh axis and source line, and the loops. Nothing runs, so there are no times of a TPU. The evaluation is
compiled for the chips of one host. --output writes compile.json and compile.md. Examples:

    hclip compile --topology=v5e-256 --config=vitb --config.train.batch_size=256 --output=v5e-256
    hclip compile --topology=v5e-16 --mesh=4x4 --programs=step --against=v5e-16/compile.json

Exit status 1: memory does not fit, a sum of gradients is in a loop, or bytes grew by more than a hundredth
against --against.
"""

import importlib.metadata
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hclip_jax.analysis.compile.topology import Topology, devices, parse_topology, prepare_environment
from hclip_jax.config.overrides import read_config
from hclip_jax.errors import UserError
from hclip_jax.io.files import write_atomically
from hclip_jax.io.paths import local_path
from hclip_jax.io.progress import console
from hclip_jax.runtime import kernels_variable
from hclip_jax.tools.command_line import Parser, run

if TYPE_CHECKING:
    from hclip_jax.analysis.compile.report import ProgramReport
    from hclip_jax.config.schema import Config

_PROGRAMS = ("step", "evaluation")


def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, or libtpu is not installed.
    """
    parser = Parser(prog="hclip compile", description=__doc__)
    add = parser.add_argument
    add("--topology", required=True, metavar="NAME", help="TPU slice, such as v5e-8 or v4-64")
    add("--config", default="vitb", metavar="NAME|FILE", help="configuration (default: vitb)")
    add("--mesh", default="", metavar="DATAxCLASS", help="(default: as hclip train would choose)")
    add("--classes", type=int, default=171, metavar="T", help="number of classes (default: 171)")
    add("--programs", default=",".join(_PROGRAMS), metavar="A,B", help="(default: step,evaluation)")
    add(
        "--effort", type=float, default=-1.0, metavar="X", help="of the compiler, -1 to 1 (default: -1, fast)"
    )
    add("--output", type=local_path, metavar="DIR", help="folder for compile.json and compile.md")
    add(
        "--against",
        type=local_path,
        metavar="REPORT.json",
        help="fail if bytes grew against this compile.json",
    )
    args, overrides = parser.parse_with_overrides(argv)
    topology = parse_topology(args.topology)
    programs = args.programs.split(",")
    for name in programs:
        if name not in _PROGRAMS:
            raise UserError(f"--programs has {name!r}; choose from {', '.join(_PROGRAMS)}")
    if args.classes < 1:
        raise UserError(f"--classes is {args.classes}; it must be 1 or more")
    if not -1 <= args.effort <= 1:
        raise UserError(f"--effort is {args.effort:g}; it must be from -1 to 1")
    config = read_config(args.config, overrides)
    prepare_environment()

    # Imported after the arguments are checked: JAX takes more than a second to start.
    from hclip_jax.analysis.compile.checks import growth, problems, read_stored
    from hclip_jax.analysis.compile.report import collective_table, loop_table, summary_table

    settings = {
        "topology": topology.name,
        "config": args.config,
        "overrides": overrides,
        "mesh": args.mesh,
        "classes": args.classes,
        "effort": args.effort,
        "kernels": kernels_variable(),
    }
    stored = read_stored(args.against, settings) if args.against else None
    reports, found = _compile_all(programs, topology, config, args)
    found += problems(reports, topology.memory)
    if stored:
        found += growth(reports, stored)
    text = summary_table(reports, topology.memory)
    text += "".join(f"\n{collective_table(r)}\n{loop_table(r)}" for r in reports)
    console.print(text, soft_wrap=True, markup=False)
    if args.output:
        _write(args.output, settings, topology, reports, found, text)
    for problem in found:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if found else 0


def _compile_all(
    programs: list[str], topology: Topology, config: "Config", args: Any
) -> tuple[list["ProgramReport"], list[str]]:
    """The reports of the programs, and sentences for those that do not fit."""
    import jax

    from hclip_jax.analysis.compile.programs import one_host
    from hclip_jax.sharding import make_mesh

    jax.config.update("jax_exec_time_optimization_effort", args.effort)
    jax.config.update("jax_enable_compilation_cache", False)  # a program that cannot run here is no use in it
    chips = devices(topology)
    meshes = {
        "step": make_mesh(chips, batch_size=config.train.batch_size, shape=args.mesh),
        "evaluation": make_mesh(one_host(chips), batch_size=config.evaluation.batch_size),
    }
    reports, found = [], []
    for name in programs:
        with console.status(f"compiling the {name} for {topology.name}"):
            try:
                reports.append(_compile(name, config, args.classes, meshes[name]))
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error):
                    raise
                found.append(f"the {name} does not fit: {str(error).splitlines()[0]}")
    return reports, found


def _compile(name: str, config: "Config", num_classes: int, mesh: Any) -> "ProgramReport":
    from hclip_jax.analysis.benchmark.flops import jaxpr_flops
    from hclip_jax.analysis.compile.programs import PROGRAMS
    from hclip_jax.analysis.compile.report import make_report
    from hclip_jax.ops.backend import compiled_for

    with compiled_for("tpu"):
        program = PROGRAMS[name](config, num_classes, mesh)
        start = time.monotonic()
        compiled = program.traced.lower(lowering_platforms=("tpu",)).compile()
    jaxpr = program.traced.jaxpr.jaxpr
    flops = jaxpr_flops(jaxpr) / program.devices, jaxpr_flops(jaxpr, passes=True) / program.devices
    return make_report(name, dict(mesh.shape), program.images, compiled, flops, time.monotonic() - start)


def _write(
    output: Path,
    settings: dict[str, Any],
    topology: Topology,
    reports: list["ProgramReport"],
    found: list[str],
    text: str,
) -> None:
    import jax

    content = settings | {
        "chips": topology.chips,
        "chip_memory": topology.memory,
        "jax": jax.__version__,
        "libtpu": importlib.metadata.version("libtpu"),
        "programs": [report.to_json() for report in reports],
        "problems": found,
    }
    write_atomically(output / "compile.json", json.dumps(content, indent=2) + "\n")
    write_atomically(output / "compile.md", text)


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
