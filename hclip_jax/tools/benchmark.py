"""Measures time and memory of the parts of the system with random weights, each in a new process.

hclip benchmark [--config=NAME|FILE] [--config.FIELD=VALUE ...] [--cases=step,image,...] [--platform=gpu]
    [--classes=171,847] [--batch=1,2] [--runs=5] [--output=DIR] [--profile=DIR]
hclip benchmark --suite=gpu --output=DIR [--config=NAME|FILE] [--cases=...] [--batch=1,4,16] ...

    step      a training step                        sliding  the sliding window of the published protocol
    image     one view of the whole image            text     the prompts encoded; text-full-context: padded
    adapt     the adapters and their gradient        data     128 images loaded and augmented

The first run includes compilation; of the later ones the table has median, minimum and maximum. GFLOP counts
matrix products and convolutions, with every iteration of loops; matmul GFLOP/s is the rate of one large
matrix product in the same process, measured just before. --output writes benchmark.json and
benchmark.md, --profile a trace of the later runs for TensorBoard or https://ui.perfetto.dev.

--suite=gpu measures an accelerator, a GPU or a TPU, in float32, TF32 and bfloat16: all cases but data, step
and image with 20 classes together and with all, and single operations with their gradient, in the form for
CPUs and in the plain one (gelu, layer-norm, group-norm, dense, roll, window-attention, conv, conv-transpose,
image-attention, cudnn-attention). A case that runs out of memory is a row that says so. Rows that DIR has
are not measured again, so the same command goes on where it was interrupted. The published code is not part
of it, since it needs PyTorch. --suite=gpu --platform=cpu rehearses it with a small --config.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from hclip_jax.analysis.benchmark import suite
from hclip_jax.analysis.benchmark.jobs import CASES, OPERATIONS, Job, make_jobs
from hclip_jax.analysis.benchmark.measure import Measurement, find_device, measure, to_markdown
from hclip_jax.config.overrides import read_config
from hclip_jax.errors import UserError
from hclip_jax.io.files import write_atomically
from hclip_jax.io.paths import local_path
from hclip_jax.io.progress import console
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.tools.signals import orderly_end

_FIXED_FIELDS = {"train.batch_size": "give --batch", "clip.weights": "the weights are random"}
_PLATFORMS = ("cpu", "gpu", "tpu")


@orderly_end()
def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, or a case needs too much memory.
    """
    parser = Parser(prog="hclip benchmark", description=__doc__)
    add = parser.add_argument
    add("--suite", default="", metavar="gpu", help="measure an accelerator in every precision")
    add("--config", default="vitb", metavar="NAME|FILE", help="configuration (default: vitb)")
    add("--cases", default="", metavar="A,B", help=f"(default: {','.join(CASES)}, or those of the suite)")
    add("--classes", default="171", metavar="T,...", help="numbers of classes (default: 171)")
    add("--batch", default="", metavar="B,...", help="batch sizes in images (default: 1; suite: 1,4,16)")
    add("--runs", type=int, default=5, metavar="N", help="timed runs after the first (default: 5)")
    add("--platform", default="", metavar="NAME", help="cpu, gpu or tpu (default: JAX's choice)")
    add("--output", type=local_path, metavar="DIR", help="folder for benchmark.json and benchmark.md")
    add("--profile", default="", metavar="DIR", help="folder for a trace of the runs")
    args, overrides = parser.parse_with_overrides(argv)
    _check(args, overrides)
    read_config(args.config, overrides)  # reports a wrong configuration before the first measurement
    measurements: list[Measurement] = []
    for measurement in (
        _measure_suite(args, overrides) if args.suite else map(measure, _jobs(args, overrides))
    ):
        measurements.append(measurement)
        lines = to_markdown(measurements[-1:]).splitlines()
        console.print("\n".join(lines[-1:] if len(measurements) > 1 else lines), soft_wrap=True, markup=False)
        if args.output:
            _write(args.output, measurements)
    return 0


def _check(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    if args.suite not in ("", "gpu"):
        raise UserError(f"--suite is {args.suite!r}; the only suite is gpu")
    if args.platform not in ("", *_PLATFORMS):
        raise UserError(f"--platform is {args.platform!r}; choose from {', '.join(_PLATFORMS)}")
    if args.runs < 1:
        raise UserError(f"--runs is {args.runs}; it must be 1 or more")
    fixed = dict(_FIXED_FIELDS)
    if args.suite:
        fixed |= dict.fromkeys(suite.FIXED_FIELDS, "the suite measures several values of it")
        if not args.output:
            raise UserError("--suite=gpu keeps a file for each row; give --output=DIR")
        if args.profile:
            raise UserError("--profile does not go with --suite; give it with --cases, for a case or two")
    for field, reason in fixed.items():
        if any(override.startswith(f"--config.{field}=") for override in overrides):
            raise UserError(f"--config.{field} has no effect; {reason}")


def _jobs(args: argparse.Namespace, overrides: Sequence[str]) -> list[Job]:
    cases = _parse_cases(args.cases or ",".join(CASES), (*CASES, *OPERATIONS))
    class_counts, batch_sizes = (
        _parse_counts("classes", args.classes),
        _parse_counts("batch", args.batch or "1"),
    )
    return make_jobs(
        cases,
        args.config,
        tuple(overrides),
        class_counts,
        batch_sizes,
        args.runs,
        args.profile,
        args.platform,
    )


def _measure_suite(args: argparse.Namespace, overrides: Sequence[str]) -> Iterator[Measurement]:
    jobs = suite.suite_jobs(
        _parse_cases(args.cases or ",".join(suite.SUITE_CASES), suite.SUITE_CASES),
        args.config,
        tuple(overrides),
        _parse_counts("classes", args.classes),
        _parse_counts("batch", args.batch or suite.BATCH_SIZES),
        args.runs,
        args.platform,
    )
    platform, name = find_device(args.platform)
    if platform == "cpu" and args.platform != "cpu":
        raise UserError(
            "--suite=gpu needs an accelerator, and JAX finds only the CPU here; run it where JAX finds a GPU "
            "(pip install 'hclip_jax[cuda]'), or rehearse it with --platform=cpu and a small --config"
        )
    console.print(f"{len(jobs)} row{'s' * (len(jobs) != 1)} on {name}", markup=False)
    return suite.run_suite(jobs, args.output / "rows", name)


def _parse_cases(text: str, allowed: Sequence[str]) -> list[str]:
    cases = text.split(",")
    for name in cases:
        if name not in allowed:
            raise UserError(f"--cases has {name!r}; choose from {','.join(allowed)}")
    return cases


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
