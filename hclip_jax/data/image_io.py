"""Reads image and label files of any mode, bit depth or rotation into arrays."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps

from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError

IMAGE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
# Whatever a file is named: of Pillow's other formats, some start programs (EPS starts Ghostscript).
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
LABEL_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N")
_TRANSPOSING_ORIENTATIONS = (5, 6, 7, 8)  # EXIF orientations that swap height and width


def is_visible_image(path: Path) -> bool:
    """Whether a path is a file with the suffix of an image, and not hidden as those that macOS adds are."""
    return not path.name.startswith(".") and path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def read_image(path: str | Path) -> np.ndarray:
    """Reads an image as uint8 RGB [H, W, 3], upright according to its EXIF orientation.

    16-bit grey is scaled to 8 bits. Transparency is dropped, as in detectron2's `read_image`.

    Raises:
        UserError: the file is missing, not an image, truncated, too large to be safe, or of a mode that has
            no RGB form.
    """
    with _open_image(path) as image:
        return to_rgb_array(image, str(path))


def to_rgb_array(image: Image.Image, name: str) -> np.ndarray:
    """Converts an open image to uint8 RGB [H, W, 3], as `read_image`.

    Args:
        image: the image, with its EXIF data.
        name: its path or another name, for error messages.

    Raises:
        UserError: the image has a mode that has no RGB form.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() > 65535:
            raise UserError(
                f"{name} holds grey values from {grey.min()} to {grey.max()}, but grey images have 8 or 16 "
                "bits: save it with 8 bits a channel"
            )
        # 32-bit files hold 8 or 16 bits; I;16 always holds 16.
        is_16_bit = image.mode != "I" or grey.max() > 255
        grey = grey.astype(np.uint32)
        image = Image.fromarray(((grey + 128) // 257 if is_16_bit else grey).astype(np.uint8))
    elif image.mode in ("F", "LAB"):
        raise UserError(f"{name} has the mode {image.mode}, which has no fixed RGB form: save it as RGB")
    elif image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # palette entries can have their own transparency
    return np.asarray(image.convert("RGB"))


def read_label(path: str | Path, num_classes: int) -> np.ndarray:
    """Reads a label file as int32 class ids [H, W], IGNORE for unlabelled pixels.

    Class ids are grey values or the indices (not the colours) of a palette. 255 is unlabelled with up to
    8 bits, 65535 with 16. EXIF orientation is not applied: masks have none.

    Raises:
        UserError: the file is unreadable or has colour channels, or an id is no class.
    """
    return decode_label(read_raw_label(path), num_classes, str(path))


def read_raw_label(path: str | Path) -> np.ndarray:
    """Reads the stored values [H, W] of a label file: uint8, or a wider dtype.

    Raises:
        UserError: the file is unreadable or has colour channels.
    """
    with _open_image(path) as image:
        _check_label_mode(path, image)
        raw = np.asarray(image)
    return raw.astype(np.uint8) if raw.dtype == np.bool_ else raw


def ignore_value(raw: np.ndarray) -> int:
    """Returns the stored value of unlabelled pixels: 255 for uint8, 65535 for every wider dtype."""
    return 255 if raw.dtype == np.uint8 else 65535


def decode_label(raw: np.ndarray, num_classes: int, name: str) -> np.ndarray:
    """Converts stored values to int32 class ids of the same shape, IGNORE for unlabelled pixels.

    Args:
        raw: stored values; see `ignore_value` for unlabelled pixels.
        num_classes: T; every other value must be smaller.
        name: the file or record, for error messages.

    Raises:
        UserError: a value is neither a class id nor the ignore value.
    """
    ignore = ignore_value(raw)
    is_invalid = ((raw >= num_classes) | (raw < 0)) & (raw != ignore)
    if is_invalid.any():
        invalid = np.unique(raw[is_invalid])
        ids = ", ".join(map(str, invalid[:5])) + (", ..." if len(invalid) > 5 else "")
        raise UserError(
            f"{name} holds the class id{'s' * (len(invalid) > 1)} {ids}, but with {num_classes} classes ids "
            f"are 0 to {num_classes - 1}, or {ignore} to ignore: correct the label or the class list"
        )
    label = raw.astype(np.int32)
    label[raw == ignore] = IGNORE
    return label


class Header(NamedTuple):
    """The header of an image file: format ("PNG"), mode ("RGB") and stored (height, width)."""

    format: str
    mode: str
    size: tuple[int, int]


def read_header(path: str | Path) -> Header:
    """Reads the header of an image or label file; EXIF orientation is not applied.

    Raises:
        UserError: the file is missing or not an image.
    """
    with _open_image(path) as image:
        return Header(image.format or "", image.mode, (image.height, image.width))


def read_image_size(path: str | Path) -> tuple[int, int]:
    """Reads the (height, width) of the upright image from the file's header.

    Raises:
        UserError: the file is missing or not an image.
    """
    with _open_image(path) as image:
        is_transposed = image.getexif().get(ExifTags.Base.Orientation) in _TRANSPOSING_ORIENTATIONS
        return (image.width, image.height) if is_transposed else (image.height, image.width)


def read_label_size(path: str | Path) -> tuple[int, int]:
    """Reads the (height, width) of a label from the file's header.

    Raises:
        UserError: the file is missing, not an image, or has colour channels.
    """
    with _open_image(path) as image:
        _check_label_mode(path, image)
        return image.height, image.width


def format_size(size: tuple[int, int]) -> str:
    """Formats (height, width) in the common order: "640x480" is 640 wide."""
    return f"{size[1]}x{size[0]}"


def _check_label_mode(path: str | Path, image: Image.Image) -> None:
    if image.mode not in LABEL_MODES:
        raise UserError(
            f"the label {path} has the mode {image.mode}, but a label has a single channel of class ids: "
            "save it as an 8-bit or 16-bit grey PNG, or as a palette PNG"
        )


@contextlib.contextmanager
def _open_image(path: str | Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path, formats=_FORMATS) as image:
            yield image
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: check the path") from error
    # Pillow raises many exceptions for broken files: OSError, SyntaxError, struct.error, ...
    except Exception as error:
        raise UserError(f"cannot read {path} as an image ({error}): replace the file or remove it") from error
