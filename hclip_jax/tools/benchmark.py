"""Times the parts of the system on this machine, with random weights, each part in a process of its own.

python -m hclip_jax.tools.benchmark [--config=FILE] [--config.a.b=value ...] [--cases=step,picture,...]
    [--classes=171,847] [--batch=1,2] [--runs=5] [--output=DIR] [--profile=DIR]

    step      a training step                        sliding   the sliding window of the published protocol
    picture   one look at a picture                  text      the words encoded; text-whole: whole context
    adapt     the adapters and their gradient        reading   128 pictures read and augmented

Columns: the first run compiles; the others are the median of --runs, and their spread. GFLOP counts matrix
products and convolutions with loops in full; the yardstick is what one large matrix product reaches in
GFLOP/s, taken just before in the same process. --output writes benchmark.json and benchmark.md, --profile a
trace of the runs, for TensorBoard or https://ui.perfetto.dev.
"""

import json
import sys
from pathlib import Path

from hclip_jax.analysis.benchmark.measure import Job, Measured, measure, to_markdown
from hclip_jax.config.overrides import read_config
from hclip_jax.errors import UserError
from hclip_jax.io.command_line import Parser, run
from hclip_jax.io.files import write_atomically
from hclip_jax.io.progress import console

CASES = ("step", "image", "sliding", "text", "text-full-context", "adapt", "data")

_WITHOUT_CLASSES = ("adapt", "data")
_WITHOUT_BATCH = ("text", "text-full-context", "adapt")


def main(argv: list[str]) -> int:
    """Runs the command line `argv`, without the program's name, and returns the exit status."""
    parser = Parser(prog="python -m hclip_jax.tools.benchmark", description=__doc__)
    add = parser.add_argument
    add("--config", default="configs/vitb.py", metavar="FILE", help="(default: configs/vitb.py)")
    add("--cases", default=",".join(CASES), metavar="A,B", help=f"of {', '.join(CASES)} (default: all)")
    add("--classes", default="171", metavar="T,...", help="how many words (default: 171)")
    add("--batch", default="1", metavar="B,...", help="pictures at once (default: 1)")
    add("--runs", type=int, default=5, help="after the first (default: 5)")
    add("--output", type=Path, metavar="DIR", help="where to write benchmark.json and benchmark.md")
    add("--profile", default="", metavar="DIR", help="where to write a trace of the runs")
    changes = tuple(arg for arg in argv if arg.startswith("--config."))
    args = parser.parse_args([arg for arg in argv if arg not in changes])
    cases = [name for name in args.cases.split(",") if name]
    for name in cases:
        if name not in CASES:
            raise UserError(f"--cases has {name!r}; choose of {', '.join(CASES)}")
    if not cases:
        raise UserError(f"--cases is empty; choose of {', '.join(CASES)}")
    for field, instead in (("train.batch_size", "give --batch"), ("clip.weights", "weights are random here")):
        if any(change.startswith(f"--config.{field}=") for change in changes):
            raise UserError(f"--config.{field} has no effect; {instead}")
    if args.runs < 1:
        raise UserError(f"--runs is {args.runs}; give at least 1")
    read_config(args.config, changes)  # a mistake shows before anything is timed
    classes, batches = _counts("classes", args.classes), _counts("batch", args.batch)
    jobs = [
        Job(name, args.config, changes, count, batch, args.runs, args.profile)
        for name in cases
        for count in ([0] if name in _WITHOUT_CLASSES else classes)
        for batch in ([0] if name in _WITHOUT_BATCH else batches)
    ]
    measured: list[Measured] = []
    for job in jobs:
        measured.append(measure(job))
        lines = to_markdown(measured[-1:]).splitlines()
        console.print("\n".join(lines[-1:] if len(measured) > 1 else lines), soft_wrap=True)
        if args.output:
            args.output.mkdir(parents=True, exist_ok=True)
            plain = json.dumps([m._asdict() for m in measured], indent=2) + "\n"
            write_atomically(args.output / "benchmark.json", plain)
            write_atomically(args.output / "benchmark.md", to_markdown(measured))
    return 0


def _counts(name: str, text: str) -> list[int]:
    try:
        counts = [int(number) for number in text.split(",")]
        if min(counts) < 1:
            raise ValueError
    except ValueError as error:
        raise UserError(
            f"--{name}={text} is no list of numbers from 1; give such as --{name}=1,20"
        ) from error
    return counts


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
