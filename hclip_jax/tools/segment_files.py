"""The files that `hclip segment` writes for an image."""

import argparse
import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.io.files import replace_atomically, write_atomically, write_png
from hclip_jax.io.json_file import format_json
from hclip_jax.tools.segment_formats import targets, write_formats

if TYPE_CHECKING:
    from hclip_jax.inference.segmentation import Segmentation

VIDEO_SUFFIX = "_overlay.mp4"
_SUFFIXES = (".npz", "_overlay.png", ".json", ".png")


def check_outputs(images: Sequence[Path], videos: Sequence[Path], output: Path) -> None:
    """Raises UserError if a file would be written twice, or over one of the images and videos."""
    if os.path.isfile(output):
        raise UserError(f"--output={output} is a file; give a folder")
    inputs = {os.path.realpath(path) for path in (*images, *videos)}
    input_of: dict[str, Path] = {}
    for path in (*images, *videos):
        for suffix in (VIDEO_SUFFIX,) if path in videos else (".png", "_overlay.png"):
            target = os.path.realpath(output / f"{path.stem}{suffix}")
            if target in inputs:
                raise UserError(
                    f"{target} is one of the images and would be overwritten; give another --output"
                )
            if target in input_of:
                raise UserError(
                    f"{input_of[target]} and {path} would both be written to {target}; rename one, or "
                    f"segment them in two runs with two outputs"
                )
            input_of[target] = path


def check_targets(path: Path, output: Path, formats: Sequence[str] = ()) -> None:
    """Raises UserError if a result of the image at `path` cannot be a file of `output`."""
    files = [output / f"{path.stem}{suffix}" for suffix in _SUFFIXES]
    files += targets(path, output, formats).get("polygons", [])
    for target in files:
        try:
            is_folder = stat.S_ISDIR(target.stat().st_mode)
        except FileNotFoundError:
            continue
        except OSError as error:  # such as a name that is too long with the suffix
            ending = target.name.removeprefix(path.stem)
            raise UserError(
                f"{path}: its result NAME{ending} cannot be written to {output} ({error.strerror}); rename it"
            ) from error
        if is_folder:
            raise UserError(f"{path}: its result {target} is a folder; remove the folder or rename the image")


def write_results(
    segmentation: "Segmentation", probabilities: np.ndarray | None, path: Path, args: argparse.Namespace
) -> None:
    """Writes NAME.png, its companions and the other formats for the image at `path`: all of them, or none.

    Args:
        segmentation: the result.
        probabilities: float32 [T, H, W] for NAME.npz; None = no such file.
        path: the image.
        args: the arguments of the command: output, model, opacity and formats.

    Raises:
        UserError: a file cannot be written.
    """
    npz, overlay, summary, label = (args.output / f"{path.stem}{suffix}" for suffix in _SUFFIXES)
    try:
        if probabilities is not None:
            with replace_atomically(npz) as temporary, temporary.open("wb") as file:
                np.savez(file, probabilities=probabilities, classes=np.array(segmentation.class_names))
        write_png(overlay, segmentation.overlay(args.opacity), is_photo=True)
        content = {"image": str(path), "model": str(args.model), **segmentation.summary()}
        write_atomically(summary, format_json(content))
        write_formats(segmentation, path, args.output, args.formats)
        write_png(label, segmentation.label_image())
    except UserError:
        others = targets(path, args.output, args.formats, segmentation.class_names)
        for target in (npz, overlay, summary, label, *(file for files in others.values() for file in files)):
            with contextlib.suppress(OSError):
                target.unlink()
        raise
