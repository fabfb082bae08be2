"""Measures time and memory of the parts of the system with random weights, each in a new process.

hclip benchmark [--config=NAME|FILE] [--config.FIELD=VALUE ...] [--cases=step,image,...]
    [--classes=171,847] [--batch=1,2] [--runs=5] [--output=DIR] [--profile=DIR]

    step      a training step                        sliding  the sliding window of the published protocol
    image     one view of the whole image            text     the prompts encoded; text-full-context: padded
    adapt     the adapters and their gradient        data     128 images loaded and augmented

The first run includes compilation; of the later ones the table has median, minimum and maximum. GFLOP counts
matrix products and convolutions, with every iteration of loops; matmul GFLOP/s is the rate of one large
float32 matrix product in the same process, measured just before. --output writes benchmark.json and
benchmark.md, --profile a trace of the later runs for TensorBoard or https://ui.perfetto.dev.
"""

import json
import sys
from pathlib import Path

from hclip_jax.analysis.benchmark.jobs import CASES, make_jobs
from hclip_jax.analysis.benchmark.measure import Measurement, measure, to_markdown
from hclip_jax.config.overrides import read_config
from hclip_jax.errors import UserError
from hclip_jax.io.files import write_atomically
from hclip_jax.io.paths import local_path
from hclip_jax.io.progress import console
from hclip_jax.tools.command_line import Parser, run

_FIXED_FIELDS = {"train.batch_size": "give --batch", "clip.weights": "the weights are random"}


def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, or a case needs too much memory.
    """
    case_names = ",".join(CASES)
    parser = Parser(prog="hclip benchmark", description=__doc__)
    add = parser.add_argument
    add("--config", default="vitb", metavar="NAME|FILE", help="configuration (default: vitb)")
    add("--cases", default=case_names, metavar="A,B", help=f"(default: {case_names})")
    add("--classes", default="171", metavar="T,...", help="numbers of classes (default: 171)")
    add("--batch", default="1", metavar="B,...", help="batch sizes in images (default: 1)")
    add("--runs", type=int, default=5, metavar="N", help="timed runs after the first (default: 5)")
    add("--output", type=local_path, metavar="DIR", help="folder for benchmark.json and benchmark.md")
    add("--profile", default="", metavar="DIR", help="folder for a trace of the runs")
    args, overrides = parser.parse_with_overrides(argv)
    cases = args.cases.split(",")
    for name in cases:
        if name not in CASES:
            raise UserError(f"--cases has {name!r}; choose from {case_names}")
    for field, reason in _FIXED_FIELDS.items():
        if any(override.startswith(f"--config.{field}=") for override in overrides):
            raise UserError(f"--config.{field} has no effect; {reason}")
    if args.runs < 1:
        raise UserError(f"--runs is {args.runs}; it must be 1 or more")
    read_config(args.config, overrides)  # reports a wrong configuration before the first measurement
    class_counts = _parse_counts("classes", args.classes)
    batch_sizes = _parse_counts("batch", args.batch)
    jobs = make_jobs(cases, args.config, tuple(overrides), class_counts, batch_sizes, args.runs, args.profile)

    measurements: list[Measurement] = []
    for job in jobs:
        measurements.append(measure(job))
        lines = to_markdown(measurements[-1:]).splitlines()
        console.print("\n".join(lines[-1:] if len(measurements) > 1 else lines), soft_wrap=True)
        if args.output:
            _write(args.output, measurements)
    return 0


def _write(output: Path, measurements: list[Measurement]) -> None:
    rows = json.dumps([m._asdict() for m in measurements], indent=2)
    write_atomically(output / "benchmark.json", f"{rows}\n")
    write_atomically(output / "benchmark.md", to_markdown(measurements))


def _parse_counts(name: str, text: str) -> list[int]:
    try:
        counts = [int(number) for number in text.split(",")]
        if min(counts) < 1:
            raise ValueError
    except ValueError as error:
        raise UserError(
            f"--{name}={text} is not a list of whole numbers from 1; give for example --{name}=1,20"
        ) from error
    return counts


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
