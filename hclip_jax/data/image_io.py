"""Reads image and label files of any mode, bit depth or rotation into arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from hclip_jax.data.bands import upright_rgb
from hclip_jax.data.bit_depth import bit_depth_remark, has_16_bits, to_8_bits
from hclip_jax.data.frames import has_several_frames
from hclip_jax.data.open_image import MAX_MEGAPIXELS, open_encoded, open_image
from hclip_jax.data.orientation import orientation, turned, upright
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError

LABEL_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N")
FRAMES = "has several pages or frames, of which only the first is used"
"""The remark on an animation or a document."""


def read_image(path: str | Path, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """Reads an image as uint8 RGB [H, W, 3], upright according to its EXIF orientation.

    16 bits are scaled to 8, by the bits in use (`data/bit_depth.py`). Transparency is dropped, as in
    detectron2's `read_image`. Of several frames or pages, the first is read.

    Raises:
        UserError: the file is missing, not an image, truncated, larger than `max_megapixels`, or of a mode
            that has no RGB form.
    """
    with open_image(path, max_megapixels) as image:
        return to_rgb_array(image, str(path))


def decode_image(content: bytes, name: str, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """Decodes the bytes of an image file, as `read_image`; `name` is for error messages."""
    with open_encoded(content, name, max_megapixels) as image:
        return to_rgb_array(image, name)


def to_rgb_array(image: Image.Image, name: str) -> np.ndarray:
    """Converts an open image to uint8 RGB [H, W, 3], as `read_image`.

    Args:
        image: the image, with its EXIF data.
        name: its path or another name, for error messages.

    Raises:
        UserError: the image has a mode that has no RGB form.
    """
    is_16_bit = has_16_bits(image)  # known before the pixels are decoded
    image.load()
    turn = orientation(image)
    if is_16_bit:
        image = to_8_bits(image, name)
    elif image.mode in ("F", "LAB"):
        raise UserError(f"{name} has the mode {image.mode}, which has no fixed RGB form: save it as RGB")
    return upright_rgb(image, turn)


def remarks(path: str | Path, max_megapixels: float = MAX_MEGAPIXELS) -> list[str]:
    """Describes what was perhaps not meant in an image that can be read: clauses without its name.

    Raises:
        UserError: as `read_image`.
    """
    with open_image(path, max_megapixels) as image:
        found = bit_depth_remark(image, str(path)), FRAMES * has_several_frames(image)
        return [remark for remark in found if remark]


def read_label(path: str | Path, num_classes: int, ignore: Sequence[int] = ()) -> np.ndarray:
    """Reads a label file as int32 class ids [H, W], IGNORE for unlabelled pixels.

    Class ids are grey values or the indices (not the colours) of a palette. 255 is unlabelled with up to
    8 bits, 65535 with 16. A label is turned by its own EXIF orientation, as an image is; few have one.

    Args:
        path: the file.
        num_classes: T.
        ignore: stored values that mean unlabelled, too.

    Raises:
        UserError: the file is unreadable or has colour channels, or an id is no class.
    """
    return decode_label(without_ids(read_raw_label(path), ignore), num_classes, str(path))


def read_raw_label(path: str | Path) -> np.ndarray:
    """Reads the stored values [H, W] of an upright label: uint8, or a wider dtype.

    Raises:
        UserError: the file is unreadable or has colour channels.
    """
    with open_image(path) as image:
        return _raw_label(image, path)


def decode_raw_label(content: bytes, name: str) -> np.ndarray:
    """Decodes the bytes of a label file, as `read_raw_label`; `name` is for error messages."""
    with open_encoded(content, name) as image:
        return _raw_label(image, name)


def _raw_label(image: Image.Image, name: str | Path) -> np.ndarray:
    _check_label_mode(name, image.mode)
    raw = np.asarray(upright(image))
    return raw.astype(np.uint8) if raw.dtype == np.bool_ else raw


def ignore_value(raw: np.ndarray) -> int:
    """Returns the stored value of unlabelled pixels: 255 for uint8, 65535 for every wider dtype."""
    return 255 if raw.dtype == np.uint8 else 65535


def without_ids(raw: np.ndarray, ignore: Sequence[int]) -> np.ndarray:
    """Stored values in which those of `ignore` are replaced by the `ignore_value`."""
    if not ignore:
        return raw
    return np.where(np.isin(raw, ignore), np.array(ignore_value(raw), raw.dtype), raw)


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
    """The header of an image file.

    Attributes:
        format: "PNG", ...
        mode: Pillow's name of the channels: "RGB", ...
        size: (height, width) as stored.
        orientation: 1 to 8, by EXIF. A PNG may have EXIF data behind its pixels, which are not looked for.
    """

    format: str
    mode: str
    size: tuple[int, int]
    orientation: int

    @property
    def upright_size(self) -> tuple[int, int]:
        """(height, width) of the upright image."""
        return turned(self.size, self.orientation)


def read_header(path: str | Path) -> Header:
    """Reads the header of an image or label file.

    Raises:
        UserError: the file is missing or not an image.
    """
    with open_image(path) as image:
        value = orientation(image, header_only=True)
        size = image.height, image.width
        if image.format == "TIFF":  # Pillow gives the upright size of this format
            size = turned(size, value)
        return Header(image.format or "", image.mode, size, value)


def read_label_header(path: str | Path) -> Header:
    """Reads the header of a label file.

    Raises:
        UserError: the file is missing, not an image, or has colour channels.
    """
    header = read_header(path)
    _check_label_mode(path, header.mode)
    return header


def read_image_size(path: str | Path) -> tuple[int, int]:
    """Reads the (height, width) of the upright image; decodes a PNG whose header has no EXIF data.

    Raises:
        UserError: the file is missing or not an image.
    """
    with open_image(path) as image:
        size = image.height, image.width
        return size if image.format == "TIFF" else turned(size, orientation(image))


def read_label_size(path: str | Path) -> tuple[int, int]:
    """Reads the (height, width) of an upright label, as `read_image_size`.

    Raises:
        UserError: the file is missing, not an image, or has colour channels.
    """
    read_label_header(path)
    return read_image_size(path)


def format_size(size: tuple[int, int]) -> str:
    """Formats (height, width) in the common order: "640x480" is 640 wide."""
    return f"{size[1]}x{size[0]}"


def _check_label_mode(name: str | Path, mode: str) -> None:
    if mode not in LABEL_MODES:
        raise UserError(
            f"the label {name} has the mode {mode}, but a label has a single channel of class ids: "
            "save it as an 8-bit or 16-bit grey PNG, or as a palette PNG"
        )
