"""Reads official image and label files as they are stored, and refuses damaged ones."""

import io
from pathlib import Path
from typing import NoReturn

import numpy as np
from PIL import Image

from hclip_jax.datasets.dataset import FileError
from hclip_jax.images.orientation import orientation, turned
from hclip_jax.images.quiet import quiet_pillow
from hclip_jax.io.substitutes import substitute

_AGAIN = "but it must be whole: unpack the archive again"


def read_image(path: Path, image_format: str = "JPEG") -> tuple[bytes, tuple[int, int]]:
    """Reads an image file and decodes it, a JPEG at an eighth of its size, to see that it is whole.

    Args:
        path: the file.
        image_format: a format of Pillow, "JPEG" or "PNG".

    Returns:
        The bytes of the file, and the (height, width) of the upright image.

    Raises:
        FileError: the file cannot be read or has another format.
    """
    try:
        content = path.read_bytes()
        with quiet_pillow(), Image.open(io.BytesIO(content), formats=(image_format,)) as image:
            size = turned((image.height, image.width), orientation(image))
            image.draft("L", (max(1, image.width // 8), max(1, image.height // 8)))
            image.load()
    except Exception as error:  # Pillow raises many exceptions for broken files
        refuse_unreadable(path, error)
    return content, size


def read_pixels(path: Path, modes: tuple[str, ...], wanted: str) -> np.ndarray:
    """Reads the stored values of an image: indices of a palette image, not its colours.

    Args:
        path: the file.
        modes: modes of Pillow that are allowed.
        wanted: a clause that starts with "but" and says what the file must hold.

    Raises:
        FileError: the file cannot be read, or has another mode.
    """
    try:
        with quiet_pillow(), Image.open(path, formats=("PNG", "JPEG")) as image:
            mode, pixels = image.mode, np.asarray(image)
    except Exception as error:
        refuse_unreadable(path, error)
    if mode not in modes:
        raise FileError(f"{path} has the mode {mode}", wanted)
    return pixels


def check_same_size(path: Path, label: tuple[int, ...], image: tuple[int, int]) -> None:
    """Refuses a label that has another (height, width) than its upright image."""
    if label[:2] != image:
        raise FileError(
            f"{path} is {label[1]}x{label[0]} and its image {image[1]}x{image[0]}",
            "but a label is as large as its image: unpack both archives again",
        )


def distinct(values: np.ndarray, limit: int) -> np.ndarray:
    """Distinct values [N], ascending, of unsigned integers below `limit`; row by row, to save memory."""
    present = np.zeros(limit, bool)
    for row in values:
        present[row] = True
    return np.flatnonzero(present)


def refuse_unreadable(path: Path, error: Exception) -> NoReturn:
    """Raises FileError with what the file is instead, if that is known, or with the error."""
    try:
        instead = substitute(path)
    except OSError as os_error:
        raise FileError(f"{path} cannot be read ({os_error.strerror})", _AGAIN) from error
    if instead:
        raise FileError(f"{path} {instead}") from error
    message = " ".join(ascii(str(error))[1:-1].split())[:100]
    raise FileError(f"{path} is damaged ({message})", _AGAIN) from error
