"""Reads the images of `hclip segment` in threads, ahead of the devices."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.images.bands import LARGE_PIXELS
from hclip_jax.images.image_io import read_header
from hclip_jax.io.ahead import computed_ahead
from hclip_jax.tools.segment_files import check_targets
from hclip_jax.tools.segment_inputs import STDIN, read_input


class Read(NamedTuple):
    """An image that was read, or not.

    Attributes:
        path: its file.
        image: uint8 [H, W, 3] RGB; None if it cannot be segmented.
        lines: remarks on it, or why it is skipped.
    """

    path: Path
    image: np.ndarray | None
    lines: list[str]


def read_images(paths: Sequence[Path], args: argparse.Namespace) -> Iterator[Read]:
    """Reads images in their order, a batch ahead.

    Standard input and images of more than 33 megapixels, which take much memory, are read when it is their
    turn.

    Args:
        paths: files, or STDIN.
        args: the options of the command.
    """

    def read_early(path: Path) -> Read | Path:
        return path if _is_large(path) else _read(path, args)

    for found in computed_ahead(read_early, paths, args.batch_size):
        yield _read(found, args) if isinstance(found, Path) else found
        del found  # large images: the next is read without this one in memory


def _is_large(path: Path) -> bool:
    if path == STDIN:
        return True
    try:
        height, width = read_header(path).size
    except UserError:  # also if it is larger than the default limit; `_read` knows that of the command
        return True
    return height * width > LARGE_PIXELS


def _read(path: Path, args: argparse.Namespace) -> Read:
    lines = list[str]()
    try:
        check_targets(path, args.output, args.formats)
        return Read(path, read_input(path, args.max_megapixels, lines.append), lines)
    except UserError as error:
        return Read(path, None, [*lines, f"skipped: {error}"])
