"""Reads label files of any bit depth or rotation into arrays of class ids.

Class ids are grey values or the indices (not the colours) of a palette. 255 is unlabelled with up to 8 bits,
65535 with 16. A label is turned by its own EXIF orientation, as an image is; few have one.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from hclip_jax.images.image_io import Header, read_header, read_image_size
from hclip_jax.images.open_image import open_encoded, open_image
from hclip_jax.images.orientation import upright

LABEL_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N")


def read_raw_label(path: str | Path) -> np.ndarray:
    """Reads the stored values [H, W] of an upright label: uint8, or a wider dtype.

    Raises:
        UserError: the file is unreadable, a JPEG, or has colour channels.
    """
    with open_image(path) as image:
        return _raw_label(image, path)


def decode_raw_label(content: bytes, name: str) -> np.ndarray:
    """Decodes the bytes of a label file, as `read_raw_label`; `name` is for error messages."""
    with open_encoded(content, name) as image:
        return _raw_label(image, name)


def _raw_label(image: Image.Image, name: str | Path) -> np.ndarray:
    check_lossless(name, image.format)
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
    _check_ids(raw, num_classes, name)
    label = raw.astype(np.int32)
    label[raw == ignore_value(raw)] = IGNORE
    return label


def decode_compact_label(raw: np.ndarray, num_classes: int, name: str) -> np.ndarray:
    """Converts as `decode_label`, but with up to 255 classes to uint8, in which IGNORE is 255.

    Raises:
        UserError: as `decode_label`.
    """
    if num_classes > 255:
        return decode_label(raw, num_classes, name)
    if raw.dtype != np.uint8:
        return decode_label(raw, num_classes, name).astype(np.uint8)
    _check_ids(raw, num_classes, name)
    return raw


def widen_label(label: np.ndarray) -> np.ndarray:
    """Converts what `decode_compact_label` returns to the int32 of `decode_label`."""
    if label.dtype != np.uint8:
        return label
    wide = label.astype(np.int32)
    wide[label == 255] = IGNORE
    return wide


def _check_ids(raw: np.ndarray, num_classes: int, name: str) -> None:
    ignore = ignore_value(raw)
    is_invalid = ((raw >= num_classes) | (raw < 0)) & (raw != ignore)
    if is_invalid.any():
        invalid = np.unique(raw[is_invalid])
        ids = ", ".join(map(str, invalid[:5])) + (", ..." if len(invalid) > 5 else "")
        raise UserError(
            f"{name} holds the class id{'s' * (len(invalid) > 1)} {ids}, but with {num_classes} classes ids "
            f"are 0 to {num_classes - 1}, or {ignore} to ignore: correct the label or the class list"
        )


def read_label_header(path: str | Path) -> Header:
    """Reads the header of a label file.

    Raises:
        UserError: the file is missing, not an image, a JPEG, or has colour channels.
    """
    header = read_header(path)
    check_lossless(path, header.format)
    _check_label_mode(path, header.mode)
    return header


def read_label_size(path: str | Path) -> tuple[int, int]:
    """Reads the (height, width) of an upright label, as `read_image_size`.

    Raises:
        UserError: the file is missing, not an image, a JPEG, or has colour channels.
    """
    read_label_header(path)
    return read_image_size(path)


def check_lossless(name: str | Path, image_format: str | None) -> None:
    """Raises UserError for a label that is a JPEG, whatever its name."""
    if image_format == "JPEG":
        raise UserError(
            f"the label {name} is a JPEG, whose compression changes class ids at every border: export it "
            "again as PNG"
        )


def _check_label_mode(name: str | Path, mode: str) -> None:
    if mode not in LABEL_MODES:
        raise UserError(
            f"the label {name} has the mode {mode}, but a label has a single channel of class ids: "
            "save it as an 8-bit or 16-bit grey PNG, or as a palette PNG"
        )
