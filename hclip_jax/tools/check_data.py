"""Reports all issues of a labelled folder before a training starts.

hclip check FOLDER [--output=DIR] [--classes_file=FILE] [--ignore=IDS] [--previews=N]
                   [--images=PATTERN --labels=PATTERN|JSON] [--colour_map=FILE|voc]

FOLDER holds images/{train,val}/*, labels/{train,val}/*.png (class ids from 0; 255 = unlabelled) and
classes.txt (one class a line). Every file is decoded. Example:

    hclip check my_data --output=my_data_check

Exit status 0 if there are no errors (warnings are allowed), 1 if the data has errors, 2 for wrong use.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hclip_jax.errors import UserError, printable
from hclip_jax.io.paths import local_path
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.tools.signals import orderly_end

if TYPE_CHECKING:
    from hclip_jax.data.check.folder import Report

_DEFAULT_PREVIEWS = 8


@orderly_end()
def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status: 1 if the data has errors, else 0.

    Raises:
        UserError: wrong use, FOLDER is not a labelled folder, or the output cannot be written.
    """
    parser = Parser(prog="hclip check", description=__doc__)
    add = parser.add_argument
    add("folder", type=local_path, metavar="FOLDER", help="the labelled folder")
    add("--output", type=local_path, metavar="DIR", help="write report.md, report.json and previews/ to DIR")
    add("--classes_file", default="", metavar="FILE", help="the class list (default: FOLDER/classes.txt)")
    add("--ignore", default="", metavar="IDS", help='ids that mean "no label", as config.data.ignore: 11,12')
    add("--images", default="", help="a pattern of the images or their folder, as config.data.images")
    add("--labels", default="", help="a pattern of the labels (*.json: of LabelMe) or a JSON of COCO")
    add("--colour_map", default="", metavar="FILE", help="colours of the classes, as config.data.colour_map")
    add(
        "--previews",
        type=int,
        metavar="N",
        help=f"overlays to write for each split (default: {_DEFAULT_PREVIEWS})",
    )
    args = parser.parse_args(argv)
    if args.previews is not None and (args.previews < 0 or not args.output):
        parser.error("--previews takes a number from 0 and needs --output=DIR")
    args.ignore = _ids(args.ignore)
    return _check(args)


def _ids(text: str) -> tuple[int, ...]:
    fields = text.split(",") if text else []
    if not all(field.strip().isdecimal() for field in fields):
        raise UserError(f"--ignore={printable(text)} must be ids from 0, separated by commas, such as 11,12")
    return tuple(map(int, fields))


def _check(args: argparse.Namespace) -> int:
    # Imported after the arguments are checked: decoders and the tokenizer take a while.
    from hclip_jax.data.check.folder import check_folder
    from hclip_jax.data.check.report import print_report
    from hclip_jax.data.layout import Layout
    from hclip_jax.io.progress import bar, console

    with bar() as progress:
        layout = Layout(args.images, args.labels, args.colour_map)
        report = check_folder(args.folder, args.classes_file, progress, args.ignore, layout)
    print_report(report, console)
    if args.output:
        _write(report, args.output, _DEFAULT_PREVIEWS if args.previews is None else args.previews)
    return 1 if report.count("error") else 0


def _write(report: "Report", output: Path, num_previews: int) -> None:
    from hclip_jax.data.check.report import to_json, to_markdown
    from hclip_jax.data.image_names import unique_names
    from hclip_jax.io.files import write_atomically, write_png
    from hclip_jax.tools.check_previews import choose_previews, draw_preview

    class_names = [summary.name for summary in report.classes]
    paths = []
    for split in report.splits:
        pairs = choose_previews([pair for pair in report.pairs if pair.split == split], num_previews)
        for pair, name in zip(pairs, unique_names([pair.files.image for pair in pairs]), strict=True):
            paths.append(f"previews/{split}/{name}.png")
            write_png(output / paths[-1], draw_preview(pair, class_names), is_photo=True)
    write_atomically(output / "report.json", to_json(report))
    write_atomically(output / "report.md", to_markdown(report, paths))


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:], uses_jax=False))
