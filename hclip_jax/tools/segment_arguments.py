"""The options of `hclip segment`, and the checks that need neither JAX nor an image."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from hclip_jax.errors import UserError
from hclip_jax.images.open_image import MAX_MEGAPIXELS
from hclip_jax.inference.segmentation import check_num_classes
from hclip_jax.io.paths import local_path
from hclip_jax.text.class_groups import SYNONYMS
from hclip_jax.text.class_names import read_class_names
from hclip_jax.text.name_list import split_names
from hclip_jax.text.templates import check_templates
from hclip_jax.tools.command_line import Parser
from hclip_jax.tools.model_options import add_model
from hclip_jax.tools.segment_formats import FORMATS, split_formats


def parse_arguments(argv: Sequence[str], description: str | None) -> argparse.Namespace:
    """Parses and checks the arguments.

    Args:
        argv: the arguments without the program's name.
        description: the text of --help.

    Returns:
        The options by their names; `formats` and `background` are tuples, and `class_names` has those of
        --classes or --classes_file.

    Raises:
        UserError: wrong use.
    """
    args = _parser(description).parse_args(argv)
    if args.classes and args.classes_file:
        raise UserError("--classes and --classes_file are both given; give one of them")
    if not 0 <= args.opacity <= 1:
        raise UserError(f"--opacity is {args.opacity}; it must be from 0 to 1")
    if not 0 <= args.threshold <= 1:
        raise UserError(f"--threshold is {args.threshold}; it must be a probability, from 0 to 1")
    if not args.max_megapixels > 0:  # NaN neither
        raise UserError(f"--max_megapixels is {args.max_megapixels}; it must be more than 0")
    for name in ("batch_size", "every"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} is {getattr(args, name)}; it must be 1 or more")
    args.formats = split_formats(args.formats)
    if args.template:
        check_templates(args.template)
    args.class_names = _split_names(args.classes, "--classes")
    if args.classes_file:
        args.class_names = read_class_names(args.classes_file)
    args.background = _split_names(args.background, "--background")
    check_num_classes(len(args.class_names) + bool(args.background))
    return args


def _parser(description: str | None) -> Parser:
    parser = Parser(prog="hclip segment", description=description)
    add = parser.add_argument
    add("images", nargs="+", metavar="IMAGE", help="file, folder or pattern; - is standard input")
    add_model(parser)
    add(
        "--output",
        type=local_path,
        default=Path("segmentation"),
        metavar="OUT",
        help="folder for the results (default: segmentation/)",
    )
    add("--classes", default="", metavar="A,B,C", help="class names (default: those of the training)")
    add(
        "--classes_file",
        default="",
        metavar="FILE",
        help='file with one class a line, synonyms separated by ", "',
    )
    add(
        "--background",
        default="",
        metavar="D,E",
        help="names of everything else; together one more class, the last",
    )
    add(
        "--synonyms",
        default="",
        choices=SYNONYMS,
        help="use the first synonym, the mean feature or the most probable (default: as in training)",
    )
    add(
        "--template",
        action="append",
        default=[],
        metavar="TEXT",
        help="""prompt such as "a photo of a {}"; several are averaged (default: as in training)""",
    )
    add(
        "--threshold",
        type=float,
        default=0.0,
        metavar="P",
        help="less probable pixels are unknown (default: 0)",
    )
    add(
        "--fast",
        action="store_true",
        help="one pass over the whole image instead of the published sliding window",
    )
    add(
        "--batch_size",
        type=int,
        default=1,
        metavar="B",
        help="images or tiles the devices process together (default: 1)",
    )
    add(
        "--tile",
        type=int,
        default=0,
        metavar="PIXELS",
        help="segment larger images in overlapping tiles of this size (default: 0 = whole images)",
    )
    add(
        "--max_megapixels",
        type=float,
        default=MAX_MEGAPIXELS,
        metavar="N",
        help=f"larger images are skipped; memory grows with it (default: {MAX_MEGAPIXELS:g})",
    )
    add(
        "--every",
        type=int,
        default=1,
        metavar="N",
        help="segment every Nth frame of a video and leave out the others (default: 1)",
    )
    add("--formats", default="", metavar="A,B", help=f"further files, see above: {', '.join(FORMATS)}")
    add("--probabilities", action="store_true", help="write NAME.npz too")
    add("--opacity", type=float, default=0.55, metavar="A", help="of the overlay, 0 to 1 (default: 0.55)")
    return parser


def _split_names(text: str, option: str) -> tuple[str, ...]:
    """Names of an option; a file in their place is named."""
    if os.path.isfile(text):
        raise UserError(f"{option} is the file {text}; give names, or the file as --classes_file={text}")
    return split_names(text, option)
