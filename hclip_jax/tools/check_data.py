"""Finds everything that is wrong with a labelled folder at once, before a training starts.

python -m hclip_jax.tools.check_data FOLDER [--output=DIR] [--classes_file=FILE] [--previews=8]

FOLDER holds images/{train,val}/*, labels/{train,val}/*.png (class ids from 0; 255 = unlabelled) and
classes.txt (one class a line). Every file is decoded. Example:

    python -m hclip_jax.tools.check_data my_data --output=my_data_check

Exit status 0 if nothing is wrong (warnings aside), 1 if the data has errors, 2 for wrong use.
"""

import sys
from pathlib import Path

from hclip_jax.data.check.folder import Report, check_folder
from hclip_jax.data.check.report import print_report, to_json, to_markdown
from hclip_jax.io.command_line import Parser, run
from hclip_jax.io.files import write_atomically, write_png
from hclip_jax.io.progress import bar, console
from hclip_jax.tools.check_previews import choose_previews, paint_preview


def main(argv: list[str]) -> int:
    """Runs the command line `argv`, without the program's name, and returns the exit status."""
    parser = Parser(prog="python -m hclip_jax.tools.check_data", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the labelled folder")
    parser.add_argument("--output", type=Path, metavar="DIR", help="write report.md, report.json, previews/")
    parser.add_argument("--classes_file", default="", metavar="FILE", help="instead of FOLDER/classes.txt")
    parser.add_argument("--previews", type=int, metavar="N", help="pictures to paint, a split (default: 8)")
    args = parser.parse_args(argv)
    if args.previews is not None and (args.previews < 0 or not args.output):
        parser.error("--previews takes a number from 0 and needs --output=DIR to write to")

    with bar() as progress:
        report = check_folder(args.folder, args.classes_file, progress)
    print_report(report, console)
    if args.output:
        _write(report, args.output, 8 if args.previews is None else args.previews)
    return 1 if report.count("error") else 0


def _write(report: Report, output: Path, previews: int) -> None:
    names = [summary.name for summary in report.classes]
    paths = []
    for split in report.splits:
        for pair in choose_previews([pair for pair in report.pairs if pair.split == split], previews):
            paths.append(f"previews/{split}/{pair.picture.stem}.png")
            write_png(output / paths[-1], paint_preview(pair, names))
    write_atomically(output / "report.json", to_json(report))
    write_atomically(output / "report.md", to_markdown(report, paths))


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
