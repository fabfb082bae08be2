"""Labels your pictures with your words.

python -m hclip_jax.tools.segment PICTURE... --model=DIR --output=OUT [--classes="cat,traffic light,sky"]

PICTURE is a file, a folder or a pattern such as "photos/*.jpg". For each picture NAME, OUT holds

    NAME.png           class ids in the order given; unknown = 255 (from 256 classes on 16 bits and 65535)
    NAME_overlay.png   the labels painted over the picture, with a legend
    NAME.json          the classes with their area and mean probability
    NAME.npz           with --probabilities: `probabilities` float32 [T, H, W], and `classes`

Example:
    python -m hclip_jax.tools.segment holiday/ --model=runs/vitb --classes="person,sea,sand,sky" --output=out

Exit status 0 if every picture was done, 1 if some were skipped (unreadable, or too large for --probabilities;
the others are done), 2 for wrong use.
"""

import argparse
import glob
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from hclip_jax.data.image_io import IMAGE_SUFFIXES, read_image
from hclip_jax.errors import UserError
from hclip_jax.inference.segmentation import Segmentation
from hclip_jax.io.command_line import Parser, run
from hclip_jax.io.files import replace_atomically, write_atomically, write_png
from hclip_jax.io.progress import bar, console
from hclip_jax.text.class_groups import SYNONYMS
from hclip_jax.text.class_names import check_class_names, read_class_names


def main(argv: list[str]) -> int:
    """Runs the command line `argv`, without the program's name, and returns the exit status."""
    args = _parser().parse_args(argv)
    if args.classes and args.classes_file:
        raise UserError("--classes and --classes_file are both given; give one of them")
    if not 0 <= args.opacity <= 1:
        raise UserError(f"--opacity is {args.opacity}; it must be from 0 to 1")
    pictures = _pictures(args.pictures)
    _check_outputs(pictures, args.output)
    classes = read_class_names(args.classes_file) if args.classes_file else _names(args.classes)
    background = _names(args.background)

    # Only now: a mistyped path should not wait for JAX to start.
    from hclip_jax.segmenter import Segmenter

    segmenter = Segmenter.load(args.model, args.base, args.dtype)
    done, read = 0, list[Path]()
    with bar() as progress:
        shown = progress.add_task("segmenting", total=len(pictures))

        def skip(reason: object) -> None:
            progress.console.print(f"skipped: {reason}", markup=False)
            progress.advance(shown)

        found = segmenter.many(
            _readable(pictures, read, skip),
            classes,
            batch=args.batch,
            background=background,
            synonyms=args.synonyms,
            threshold=args.threshold,
            fast=args.fast,
        )
        for segmentation in found:
            path = read.pop(0)
            try:
                probabilities = segmentation.probabilities if args.probabilities else None
            except UserError as error:
                skip(f"{path}: {error}")
                continue
            _write(segmentation, probabilities, path, args)
            done += 1
            progress.advance(shown)
    console.print(f"{done} of {len(pictures)} pictures done, in {args.output}", markup=False)
    return 0 if done == len(pictures) else 1


def _parser() -> Parser:
    parser = Parser(prog="python -m hclip_jax.tools.segment", description=__doc__)
    add = parser.add_argument
    add("pictures", nargs="+", metavar="PICTURE", help="file, folder or pattern")
    add("--model", required=True, metavar="DIR", help="model directory, or the directory of a training")
    add("--output", required=True, type=Path, metavar="OUT", help="folder for what is found")
    add("--classes", default="", metavar="A,B,C", help="names; those the model was trained with by default")
    add("--classes_file", default="", metavar="FILE", help='one name a line, synonyms separated by ", "')
    add(
        "--background", default="", metavar="D,E", help="names of all else: together one more class, the last"
    )
    add("--synonyms", default="", choices=SYNONYMS, help="of a name (default: as the model was trained)")
    add("--threshold", type=float, default=0.0, help="less probable pixels are unknown (default: 0)")
    add("--fast", action="store_true", help="one look at the picture instead of the published sliding window")
    add("--batch", type=int, default=1, help="pictures the devices work on together (default: 1)")
    add("--probabilities", action="store_true", help="write NAME.npz too")
    add("--opacity", type=float, default=0.55, help="of the overlay's paint, 0 to 1 (default: 0.55)")
    add("--base", metavar="CLIP", help="the CLIP of a model directory that holds adapters alone")
    add("--dtype", default="", choices=("float32", "bfloat16"), help="of CLIP's towers (default: as trained)")
    return parser


def _names(text: str) -> tuple[str, ...]:
    """Names between commas; synonyms need a file, where a line ends a name."""
    return check_class_names(text.split(","), f"{text!r}") if text else ()


def _pictures(arguments: Sequence[str]) -> list[Path]:
    """The files that are meant, in the order given, each once."""
    found: dict[Path, None] = {}
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            own = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        else:
            own = [path] if path.exists() else sorted(map(Path, glob.glob(argument, recursive=True)))
        if not own:
            reason = "holds no pictures" if path.is_dir() else "does not exist"
            raise UserError(f"{argument} {reason}; give a picture, a folder of pictures or a pattern")
        found |= dict.fromkeys(own)
    return list(found)


def _check_outputs(pictures: Sequence[Path], output: Path) -> None:
    """Nothing may be written twice, nor over one of the pictures."""
    if output.exists() and not output.is_dir():
        raise UserError(f"--output={output} is a file; give a folder")
    inputs = {path.resolve() for path in pictures}
    writer: dict[Path, Path] = {}
    for path in pictures:
        for suffix in (".png", "_overlay.png"):
            target = (output / f"{path.stem}{suffix}").resolve()
            if target in inputs:
                raise UserError(
                    f"{target} is one of the pictures and would be written over; give another --output"
                )
            if target in writer:
                raise UserError(
                    f"{writer[target]} and {path} would both be written to {target}; rename one, or give "
                    f"them in two runs with two outputs"
                )
            writer[target] = path


def _readable(
    pictures: Sequence[Path], read: list[Path], skip: Callable[[object], None]
) -> Iterator[np.ndarray]:
    """The pictures that can be read; their paths go to `read`, why others cannot be to `skip`."""
    for path in pictures:
        try:
            pixels = read_image(path)
        except UserError as error:
            skip(error)
            continue
        read.append(path)
        yield pixels


def _write(
    found: Segmentation, probabilities: np.ndarray | None, path: Path, args: argparse.Namespace
) -> None:
    """Writes what was found of one picture: NAME.png and its companions."""

    def beside(suffix: str) -> Path:
        return args.output / f"{path.stem}{suffix}"

    if probabilities is not None:
        with replace_atomically(beside(".npz")) as temporary, temporary.open("wb") as file:
            np.savez(file, probabilities=probabilities, classes=np.array(found.class_names))
    write_png(beside("_overlay.png"), found.overlay(args.opacity))
    facts = {"picture": str(path), "model": str(args.model)}
    summary = json.dumps({**facts, **found.summary()}, indent=2, ensure_ascii=False)
    write_atomically(beside(".json"), f"{summary}\n")
    write_png(beside(".png"), found.label_image())


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
