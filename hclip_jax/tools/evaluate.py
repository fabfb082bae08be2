"""Evaluates a checkpoint of a work directory on the evaluation sets of its configuration.

hclip evaluate DIR [--checkpoint=STEP] [--against=OTHER] [--config.FIELD=VALUE ...]

DIR is the --workdir of hclip train. Its config.json is the configuration; --config.FIELD=VALUE changes a
field of config.evaluation. Reports go to DIR/evaluation/, overlays to DIR/overlays/.

--against=OTHER then compares mIoU with that of another work directory, which must have been evaluated on the
same sets: the difference, its 95 % interval and a p-value, from the images that both were evaluated on. The
table also goes to DIR/comparisons/. Examples:

    hclip evaluate runs/vitb
    hclip evaluate runs/vitb --config.evaluation.protocol=single --config.evaluation.num_images=100
    hclip evaluate runs/vitb --against=runs/lora
"""

import sys
from pathlib import Path

from hclip_jax import processes
from hclip_jax.errors import UserError
from hclip_jax.evaluation.comparison import (
    NOTE,
    compare_folders,
    comparison_table,
    read_evaluations,
    write_comparison,
)
from hclip_jax.io.progress import console
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.training.workdir import parse_workdir, read_resumed_config


def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, as `training.loop.evaluate_checkpoint`, or nothing can be compared.
    """
    parser = Parser(prog="hclip evaluate", description=__doc__)
    parser.add_argument("workdir", type=parse_workdir, metavar="DIR", help="work directory of hclip train")
    parser.add_checkpoint()
    parser.add_argument(
        "--against", type=parse_workdir, metavar="OTHER", help="evaluated work directory to compare with"
    )
    args, overrides = parser.parse_with_overrides(argv)
    config = read_resumed_config(args.workdir, overrides)
    names = list(config.evaluation.sets)
    if args.against:
        _check_other(args.workdir, args.against, names)

    # Imported after the arguments are checked: JAX takes more than a second to start.
    from hclip_jax.training import loop

    with processes.joined(args.workdir):
        loop.evaluate_checkpoint(config, args.workdir, checkpoint=args.checkpoint)
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
