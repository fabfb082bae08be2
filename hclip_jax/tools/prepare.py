"""Prepares and verifies a benchmark of the paper, unpacked as its authors distribute it.

hclip prepare NAME --source=DIR --target=DIR [--format=tfds|folder] [--labels=mat] [--partial]
hclip prepare NAME --source=DIR --verify-only [--partial]
hclip prepare all  --source=DIR --target=DIR [...]
hclip prepare --list

NAME is a data set of --list, which also says what to download. --source is the folder of the data set, or a
folder that holds several in CAT-Seg's layout. TARGET/NAME is created: records of TensorFlow Datasets (without
TensorFlow), which tfds.load reads too, or a labelled folder. Every image is checked; an incomplete or wrong
copy is refused, and nothing is written. `all` is the data sets of the paper, and cityscapes_19 where it is
found; those of the paper that are not there are named.

    hclip prepare coco_stuff_171 --source=downloads --target=data
    hclip train --config=vitb --config.data.root=data/coco_stuff_171 --workdir=runs/vitb

Exit status 0 if all is prepared, 1 if `all` could not prepare some, 2 for wrong use or a refused copy.
"""

import argparse
import re
import sys
from typing import TYPE_CHECKING

from hclip_jax.errors import UserError
from hclip_jax.io.paths import local_path
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.tools.signals import orderly_end

if TYPE_CHECKING:
    from hclip_jax.datasets.dataset import Dataset

ALL = "all"
_FORMATS = ("tfds", "folder")
_LABELS_HELP = (
    "mat: pascal_context_59 from the .mat files of PASCAL-Context where trainval_merged.json is not to be "
    "had; its figures are not comparable"
)


@orderly_end()
def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status: 1 if NAME is `all` and a data set could not be prepared, else 0.

    Raises:
        UserError: wrong use, or a copy that is missing, incomplete or wrong, or the target cannot be written.
    """
    parser = Parser(prog="hclip prepare", description=__doc__)
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="a data set of --list, or all")
    add("--list", action="store_true", help="print the data sets, and what to download")
    add("--source", type=local_path, metavar="DIR", help="the unpacked archives")
    add("--target", type=local_path, metavar="DIR", help="folder in which NAME is created")
    add("--format", choices=_FORMATS, default="tfds", help="of the prepared set (default: tfds)")
    add("--labels", choices=("official", "mat"), default="official", help=_LABELS_HELP)
    add("--partial", action="store_true", help="also prepare an incomplete copy; every report will say so")
    add("--verify-only", action="store_true", help="check the source and write nothing")
    args = parser.parse_args(argv)
    if args.list:
        from hclip_jax.tools.prepare_tables import print_catalogue

        print_catalogue()
        return 0
    if not args.name:
        parser.error("NAME is missing; give a data set of hclip prepare --list, or all")
    if not args.source:
        parser.error("--source=DIR is missing; give the folder of the unpacked archives")
    if not args.target and not args.verify_only:
        parser.error("--target=DIR is missing; give a folder for the prepared sets, or --verify-only")
    for option in (f"--source={args.source}", f"--target={args.target}"):
        if re.search(r"=\w{2,}:/", option):  # Path has made one slash of two; C:/ is a disk
            parser.error(
                f"{option} is an address; give a folder of this machine, and copy the sets afterwards"
            )
    if args.name == ALL and args.labels != "official":
        parser.error(f"--labels={args.labels} is for one data set, but NAME is all; give pascal_context_59")
    return _prepare_all(args) if args.name == ALL else _prepare_one(args)


def _prepare_one(args: argparse.Namespace) -> int:
    from hclip_jax.datasets.catalogue import dataset
    from hclip_jax.io.progress import console

    console.print(_prepare(dataset(args.name), args), end="")
    return 0


def _prepare_all(args: argparse.Namespace) -> int:
    from hclip_jax.datasets.catalogue import CATALOGUE
    from hclip_jax.datasets.locate import SourceNotFoundError, check_source
    from hclip_jax.io.progress import console

    verb = "verified" if args.verify_only else "prepared"
    check_source(args.source)
    done, failed = 0, []
    for dataset in CATALOGUE.values():
        try:
            console.print(_prepare(dataset, args))
            done += 1
        except UserError as error:
            if isinstance(error, SourceNotFoundError) and not dataset.in_paper:
                continue  # nobody needs it for the paper's table
            failed.append(dataset.key)
            console.print(f"not {verb}: {error}\n", markup=False)
    summary = f"{done} of {done + len(failed)} data sets {verb}"
    console.print(f"{summary}; not: {', '.join(failed)}" if failed else summary)
    return 1 if failed else 0


def _prepare(dataset: "Dataset", args: argparse.Namespace) -> str:
    """Prepares or verifies a data set; returns the text to print."""
    from hclip_jax.datasets import prepare
    from hclip_jax.datasets.prepared import is_written
    from hclip_jax.io.progress import bar
    from hclip_jax.tools.prepare_tables import describe_state, format_report

    folder = None if args.verify_only else args.target / dataset.key
    labels = "" if args.labels == "official" else args.labels
    wanted = {"partial": args.partial, "data_format": args.format, "labels": labels}
    if folder and is_written(dataset, folder, **wanted):
        return f"{describe_state(folder)}{folder} is prepared already\n"
    source = prepare.open_source(dataset, args.source, partial=args.partial, labels=labels)
    with bar() as progress:

        def start(name: str, total: int) -> prepare.Advance:
            task = progress.add_task(name, total=total)
            return lambda: progress.advance(task)

        if folder:
            report = prepare.write(source, folder, args.format, start)
        else:
            report = prepare.verify(source, start)
    return format_report(dataset, report, folder)


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:], uses_jax=False))
