"""Writes DIR/report.html again: the curves, figures, images and configuration of a training on one page.

hclip report DIR

DIR is the --workdir of hclip train, which writes the page at every evaluation and at the end. The page needs
no other file and no network. Example:

    hclip report runs/tiny
"""

import sys

from hclip_jax.errors import UserError
from hclip_jax.io.progress import console
from hclip_jax.report_page.page import write_page
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.training.metrics import read_metrics
from hclip_jax.training.workdir import is_workdir, parse_workdir


def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, `DIR` is no work directory, or the page cannot be written.
    """
    parser = Parser(prog="hclip report", description=__doc__)
    parser.add_argument("workdir", type=parse_workdir, metavar="DIR", help="work directory of hclip train")
    args = parser.parse_args(argv)
    if not is_workdir(args.workdir):
        raise UserError(
            f"{args.workdir} is not a work directory (it has no config.json and metrics.jsonl); give the "
            f"--workdir of hclip train"
        )
    path = write_page(args.workdir, read_metrics(args.workdir / "metrics.jsonl"))
    console.print(f"{path} is written", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:], uses_jax=False))
