"""The images and videos that the arguments of `hclip segment` name, and how an image is read."""

import glob
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hclip_jax.data.listing import list_images
from hclip_jax.errors import UserError
from hclip_jax.images.image_io import decode_image, read_image, remarks
from hclip_jax.images.video import VIDEO_SUFFIXES

STDIN = Path("/dev/stdin")
"""The argument "-": an image whose bytes come from standard input; its results are stdin.png and so on."""
_MAX_STDIN_BYTES = 2**30


class Inputs(NamedTuple):
    """The files that the arguments name, in their order, each once.

    Attributes:
        images: files of images; perhaps STDIN.
        videos: files of videos, by their suffix.
        left_out: a line for each folder that holds more than images.
        num_lost: the number of lost images in folders.
    """

    images: list[Path]
    videos: list[Path]
    left_out: list[str]
    num_lost: int


def find_inputs(arguments: Sequence[str], output: Path) -> Inputs:
    """Finds the images and videos.

    Args:
        arguments: files, folders and patterns; "-" is standard input.
        output: the folder for the results, which is not mentioned.

    Raises:
        UserError: an argument names no image.
    """
    paths: dict[Path, None] = {}
    lines, num_lost = [], 0
    for argument in arguments:
        path, left_out = STDIN if argument == "-" else Path(argument), ""
        if path == STDIN:
            _check_stdin()
            matches = [path]
        elif path.is_dir():
            listing = list_images(path)
            matches, left_out = listing.images, listing.summary(without=output)
            num_lost += len(listing.lost())
        else:
            matches = [path] if path.exists() else sorted(map(Path, glob.glob(argument, recursive=True)))
        if not matches:
            reason = (
                f"holds no images{left_out and ', only '}{left_out}" if path.is_dir() else "does not exist"
            )
            raise UserError(f"{argument} {reason}; give an image, a folder of images or a pattern")
        lines += [f"left out of {path}: {left_out}"] * bool(left_out)
        paths |= dict.fromkeys(matches)
    videos = [path for path in paths if path.suffix.lower() in VIDEO_SUFFIXES]
    return Inputs([path for path in paths if path not in videos], videos, lines, num_lost)


def read_input(path: Path, max_megapixels: float, say: Callable[[str], None]) -> np.ndarray:
    """Reads an image as uint8 [H, W, 3] RGB.

    Args:
        path: a file or STDIN.
        max_megapixels: larger images are refused.
        say: gets a remark on what was perhaps not meant.

    Raises:
        UserError: it cannot be read.
    """
    if path == STDIN:
        return decode_image(_stdin_bytes(), "standard input", max_megapixels)
    image = read_image(path, max_megapixels)
    for remark in remarks(path, max_megapixels):
        say(f"{path} {remark}")
    return image


def _check_stdin() -> None:
    if sys.stdin is None or sys.stdin.isatty():
        raise UserError("- is standard input, which holds no file; write hclip segment - < photo.jpg")


def _stdin_bytes() -> bytes:
    content = sys.stdin.buffer.read(_MAX_STDIN_BYTES + 1)
    if len(content) > _MAX_STDIN_BYTES:
        raise UserError("standard input holds more than 1 GB; give the image as a file")
    return content
