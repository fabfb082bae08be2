"""Evaluates a model: on the sets of its configuration, or on those of a suite.

hclip evaluate DIR [--checkpoint=STEP|best] [--against=OTHER] [--config.FIELD=VALUE ...]
hclip evaluate MODEL --suite=NAME|FILE [--data=DIR] [--output=DIR] [--sets=NAME,NAME] [--against=OTHER] ...
hclip evaluate --list-suites

DIR is the --workdir of hclip train. Its config.json is the configuration; --config.FIELD=VALUE changes a
field of config.evaluation. Reports go to DIR/evaluation/, overlays to DIR/overlays/.

--against=OTHER then compares mIoU with that of another work directory, which must have been evaluated on the
same sets: the difference, its 95 % interval and a p-value, from the images that both were evaluated on. The
table also goes to DIR/comparisons/.

With --suite, MODEL is a work directory, a model directory or the weights of CAT-Seg or H-CLIP, and the sets
are those of a suite, each with its own class names: `paper` is the built-in suite of the paper's benchmarks,
prepared by hclip prepare in --data. One table has the figures beside the published ones; the folder --output
gets it as table.{json,md,csv}, and reports, a log and overlays of every set. The same command goes on where
it was interrupted. --against compares with the --output of another model.
`hclip evaluate --suite=paper --help` lists the options with --suite. Examples:

    hclip evaluate runs/vitb
    hclip evaluate runs/vitb --config.evaluation.protocol=single --config.evaluation.num_images=100
    hclip evaluate runs/vitb --against=runs/lora
    hclip evaluate runs/vitb --suite=paper --data=data
    hclip evaluate catseg_vitb.pth --suite=paper --data=data --output=results/catseg_vitb

Exit status with --suite: 1 if a set of the suite is missing.
"""

import sys
from pathlib import Path

from hclip_jax import processes, runtime
from hclip_jax.errors import UserError
from hclip_jax.evaluation.comparison import (
    NOTE,
    compare_folders,
    comparison_table,
    write_comparison,
)
from hclip_jax.evaluation.stored import read_evaluations
from hclip_jax.io.progress import console
from hclip_jax.tools import evaluate_suite
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.training.workdir import is_workdir, parse_workdir, read_resumed_config


def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, as `training.evaluate.evaluate_checkpoint`, or nothing can be compared.
    """
    if any(argument.partition("=")[0] in evaluate_suite.OPTIONS for argument in argv):
        return evaluate_suite.main(argv, __doc__)
    parser = Parser(prog="hclip evaluate", description=__doc__)
    parser.add_argument("workdir", type=parse_workdir, metavar="DIR", help="work directory of hclip train")
    parser.add_checkpoint()
    parser.add_argument(
        "--against", type=parse_workdir, metavar="OTHER", help="evaluated work directory to compare with"
    )
    args, overrides = parser.parse_with_overrides(argv)
    if not is_workdir(args.workdir):
        raise UserError(
            f"{args.workdir} is not a work directory (it has no config.json and metrics.jsonl); give the "
            f"--workdir of hclip train, or evaluate another model by a suite: --suite=paper --output=DIR"
        )
    config = read_resumed_config(args.workdir, overrides)
    names = list(config.evaluation.sets)
    if args.against:
        _check_other(args.workdir, args.against, names)

    # Imported after the arguments are checked: JAX takes more than a second to start.
    from hclip_jax.training.evaluate import evaluate_checkpoint

    with processes.joined(args.workdir):
        if processes.count() > 1:
            runtime.share_programs(args.workdir / "programs", processes.is_primary())
        evaluate_checkpoint(config, args.workdir, checkpoint=args.checkpoint)
        if args.against and processes.is_primary():
            _compare(args.workdir, args.against, names)
    return 0


def _check_other(workdir: Path, other: Path, names: list[str]) -> None:
    """Checks, before the evaluation, that there will be something to compare it with."""
    if other.resolve() == workdir.resolve():
        raise UserError(f"--against={other} is the work directory to evaluate; give another one")
    read_evaluations(other / "evaluation", names)


def _compare(workdir: Path, other: Path, names: list[str]) -> None:
    """Prints and writes the comparison of two evaluated work directories."""
    rows, remarks = compare_folders(workdir / "evaluation", other / "evaluation", names)
    path = workdir / "comparisons" / other.resolve().name
    write_comparison(path, rows, remarks, workdir, other)
    console.print(f"\n{workdir} (A) against {other} (B)\n\n{comparison_table(rows)}\n{NOTE}")
    for remark in remarks:
        console.print(remark)


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
