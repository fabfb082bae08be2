"""Segments images with any class names.

hclip segment IMAGE... --model=DIR [--classes="cat,traffic light,sky"] [--output=OUT]

IMAGE is a file, a folder or a pattern such as "photos/*.jpg". For each image NAME, the folder OUT (default:
segmentation/) gets

    NAME.png           class ids in the order of the class names, with a palette; unknown = 255 (65535 from
                       256 classes on, with 16 bits and no palette)
    NAME_overlay.png   the labels painted over the image, with a legend
    NAME.json          area and mean probability of each class
    NAME.npz           with --probabilities: `probabilities` float32 [T, H, W], and `classes`

and with --formats=coco,polygons,masks (one or more)

    _annotations.coco.json   coco: the masks of all images, run-length encoded
    polygons/NAME.json       polygons: a file of LabelMe
    masks/NAME/CLASS.png     masks: 255 where the image shows the class, else 0

An overlay is reduced to 4,096 pixels. A whole image is resized to the input of the model; --tile=1280
segments larger images in overlapping tiles instead, which finds smaller things.

Exit status: 0 = all images are segmented; 1 = some were skipped (unreadable, dead links, or too large for
--probabilities); 2 = wrong use, or the results cannot be written. Example:

    hclip segment holiday/ --model=runs/vitb --classes="person,sea,sand,sky" --output=holiday_labels
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from hclip_jax.config.schema import Dtype
from hclip_jax.data.bands import LARGE_PIXELS
from hclip_jax.data.image_io import read_image, remarks
from hclip_jax.data.open_image import MAX_MEGAPIXELS
from hclip_jax.errors import UserError, one_line, printable
from hclip_jax.inference.segmentation import check_num_classes
from hclip_jax.io.files import check_writable
from hclip_jax.io.paths import local_path
from hclip_jax.io.progress import bar
from hclip_jax.text.class_groups import SYNONYMS
from hclip_jax.text.class_list import check_forms
from hclip_jax.text.class_names import check_class_names, read_class_names
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.tools.segment_files import check_outputs, check_targets, image_paths, write_results
from hclip_jax.tools.segment_formats import FORMATS, CocoFile, split_formats
from hclip_jax.weights.built_in import NOTE, is_built_in

_TILE_HINT = (
    "note: images of more than 33 megapixels were resized to the input of the model as a whole; --tile=1280 "
    "finds smaller things"
)


def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, or as `Segmenter.load` and `Segmenter.many`.
    """
    args = _parser().parse_args(argv)
    if args.classes and args.classes_file:
        raise UserError("--classes and --classes_file are both given; give one of them")
    if not 0 <= args.opacity <= 1:
        raise UserError(f"--opacity is {args.opacity}; it must be from 0 to 1")
    if not 0 <= args.threshold <= 1:
        raise UserError(f"--threshold is {args.threshold}; it must be a probability, from 0 to 1")
    if args.batch_size < 1:
        raise UserError(f"--batch_size is {args.batch_size}; it must be 1 or more")
    args.formats = split_formats(args.formats)
    paths, left_out, num_lost = image_paths(args.images, args.output)
    check_outputs(paths, args.output)
    class_names = _split_names(args.classes, "--classes")
    if args.classes_file:
        class_names = read_class_names(args.classes_file)
    background = _split_names(args.background, "--background")
    check_num_classes(len(class_names) + bool(background))
    check_writable(args.output)

    # Imported after the arguments are checked: JAX takes more than a second to start.
    from hclip_jax.segmenter import Segmenter

    segmenter = Segmenter.load(args.model, args.base, args.dtype, args.checkpoint)
    if is_built_in(segmenter.clip):
        print(NOTE, file=sys.stderr)
    check_num_classes(len(class_names or segmenter.class_names) + bool(background))
    coco = CocoFile()
    num_images, num_done, num_large = len(paths) + num_lost, 0, 0
    with bar() as progress:
        task = progress.add_task("segmenting", total=len(paths))

        def say(line: str) -> None:
            progress.console.print(one_line(line))

        def skip(reason: str) -> None:
            say(f"skipped: {reason}")
            progress.advance(task)

        pending: list[Path] = []  # read, and not yet segmented
        segmentations = segmenter.many(
            _read_images(paths, args, pending, skip, say),
            class_names,
            batch_size=args.batch_size,
            background=background,
            synonyms=args.synonyms,
            threshold=args.threshold,
            fast=args.fast,
            tile=args.tile,
            max_megapixels=args.max_megapixels,
            on_progress=lambda share: progress.advance(task, share),
        )
        args.output.mkdir(parents=True, exist_ok=True)
        for line in left_out:
            say(line)
        try:
            for segmentation in segmentations:
                path = pending.pop(0)
                try:
                    probabilities = segmentation.probabilities if args.probabilities else None
                except UserError as error:
                    say(f"skipped: {path}: {error}")
                    continue
                write_results(segmentation, probabilities, path, args)
                if "coco" in args.formats:
                    coco.add(segmentation, path)
                num_done += 1
                num_large += segmentation.ids.size > LARGE_PIXELS
                # Large images: the next is read without these in memory.
                del segmentation, probabilities
        finally:  # also if a result cannot be written: the others are whole
            if num_large and not args.tile:
                say(_TILE_HINT)
            say(f"{num_done} of {num_images} images are segmented, in {args.output}/")
            coco.write(args.output)
    return 0 if num_done == num_images else 1


def _parser() -> Parser:
    parser = Parser(prog="hclip segment", description=__doc__)
    add = parser.add_argument
    add("images", nargs="+", metavar="IMAGE", help="file, folder or pattern")
    add(
        "--model",
        required=True,
        metavar="DIR",
        help="model directory, work directory, file of CAT-Seg or H-CLIP, or a name hf:OWNER/NAME[/FILE]",
    )
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
    add("--formats", default="", metavar="A,B", help=f"further files, see above: {', '.join(FORMATS)}")
    add("--probabilities", action="store_true", help="write NAME.npz too")
    add("--opacity", type=float, default=0.55, metavar="A", help="of the overlay, 0 to 1 (default: 0.55)")
    add("--base", metavar="CLIP", help="the CLIP of a model directory that holds only adapters")
    add(
        "--dtype",
        default="",
        choices=get_args(Dtype),
        help="dtype of CLIP's activations (default: as in training)",
    )
    parser.add_checkpoint()
    return parser


def _split_names(text: str, option: str) -> tuple[str, ...]:
    """Names separated by commas. Synonyms need a class list file, where a line ends a name."""
    if not text:
        return ()
    if os.path.isfile(text):
        raise UserError(f"{option} is the file {text}; give names, or the file as --classes_file={text}")
    list_name = f"{option}='{printable(text)}'"
    names = check_class_names(text.split(","), list_name)
    check_forms(names, list_name, "name", 'write names separated by commas, such as "cat,traffic light"')
    return names


def _read_images(
    paths: Sequence[Path],
    args: argparse.Namespace,
    pending: list[Path],
    skip: Callable[[str], None],
    say: Callable[[str], None],
) -> Iterator[np.ndarray]:
    """Yields the readable images and appends their paths to `pending`; passes remarks and errors on."""
    for path in paths:
        try:
            check_targets(path, args.output, args.formats)
            image = read_image(path, args.max_megapixels)
            found = remarks(path, args.max_megapixels)
        except UserError as error:
            skip(str(error))
            continue
        for remark in found:
            say(f"{path} {remark}")
        pending.append(path)
        yield image
        del image  # large images: the next is read without this one in memory


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
