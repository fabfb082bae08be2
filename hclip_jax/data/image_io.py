"""From picture and label files to arrays, whatever mode, bit depth or rotation they have."""

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
LABEL_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N")
_QUARTER_TURNS = (5, 6, 7, 8)  # EXIF orientations that swap height and width


def read_image(path: str | Path) -> np.ndarray:
    """Reads a picture as uint8 RGB [H, W, 3], turned upright as its EXIF orientation says.

    16-bit grey is scaled to 8 bits. Transparency is dropped, as detectron2's `read_image` does.

    Raises:
        UserError: the file is missing, no picture, truncated, too large to be safe, or of a mode
            that has no RGB form.
    """
    with _opened(path) as opened:
        return to_rgb_array(opened, str(path))


def to_rgb_array(image: Image.Image, where: str) -> np.ndarray:
    """As `read_image`, of a picture that is open already; `where` is what it is called in messages."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() > 65535:
            raise UserError(
                f"{where} holds grey values from {grey.min()} to {grey.max()}, but grey "
                "pictures have 8 or 16 bits: save it with 8 bits a channel"
            )
        image = Image.fromarray(((grey.astype(np.uint32) + 128) // 257).astype(np.uint8))
    elif image.mode in ("F", "LAB"):
        raise UserError(f"{where} has the mode {image.mode}, which has no fixed RGB form: save it as RGB")
    elif image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # palette entries may carry their own transparency
    return np.asarray(image.convert("RGB"))


def read_label(path: str | Path, class_count: int) -> np.ndarray:
    """Reads a label file as int32 class ids [H, W], IGNORE where there is none.

    Grey values, or the indices (not the colours) of a palette, are the class ids; 255 means ignore
    with up to 8 bits, 65535 with 16. EXIF orientation is not applied: masks carry none.

    Raises:
        UserError: an unreadable file, a label with colour channels, or an id beyond the classes.
    """
    return decode_label(read_raw_label(path), class_count, str(path))


def read_raw_label(path: str | Path) -> np.ndarray:
    """Reads a label file as the numbers [H, W] that it holds: uint8, or a wider dtype.

    Raises:
        UserError: an unreadable file, or a label with colour channels.
    """
    with _opened(path) as image:
        _check_label_mode(path, image)
        raw = np.asarray(image)
    return raw.astype(np.uint8) if raw.dtype == np.bool_ else raw


def ignore_value(raw: np.ndarray) -> int:
    """Returns the number that means ignore among stored ids: 255 for uint8, 65535 for wider dtypes."""
    return 255 if raw.dtype == np.uint8 else 65535


def decode_label(raw: np.ndarray, class_count: int, where: str) -> np.ndarray:
    """Turns stored ids into int32 ids of the same shape, with IGNORE for the stored ignore value.

    Args:
        raw: stored ids; the ignore value is 255 for uint8, 65535 for every wider dtype.
        class_count: ids must be smaller.
        where: the file or record, for messages.

    Raises:
        UserError: an id that is neither a class nor the ignore value.
    """
    ignore = ignore_value(raw)
    beyond = ((raw >= class_count) | (raw < 0)) & (raw != ignore)
    if beyond.any():
        found = np.unique(raw[beyond])
        ids = ", ".join(map(str, found[:5])) + (", ..." if len(found) > 5 else "")
        raise UserError(
            f"{where} holds the class id{'s' * (len(found) > 1)} {ids}, but with {class_count} "
            f"classes ids are 0 to {class_count - 1}, or {ignore} to ignore: correct the label or "
            "the class list"
        )
    label = raw.astype(np.int32)
    label[raw == ignore] = IGNORE
    return label


class Header(NamedTuple):
    """What a file says of itself: format ("PNG"), mode ("RGB") and (height, width) as stored."""

    format: str
    mode: str
    size: tuple[int, int]


def read_header(path: str | Path) -> Header:
    """Reads the header of a picture or label alone; its EXIF orientation is not applied.

    Raises:
        UserError: the file is missing or no picture.
    """
    with _opened(path) as image:
        return Header(image.format or "", image.mode, (image.height, image.width))


def read_image_size(path: str | Path) -> tuple[int, int]:
    """Reads the upright (height, width) of a picture from its header alone.

    Raises:
        UserError: the file is missing or no picture.
    """
    with _opened(path) as image:
        turned = image.getexif().get(ExifTags.Base.Orientation) in _QUARTER_TURNS
        return (image.width, image.height) if turned else (image.height, image.width)


def read_label_size(path: str | Path) -> tuple[int, int]:
    """Reads the (height, width) of a label from its header alone.

    Raises:
        UserError: the file is missing, no picture, or has colour channels.
    """
    with _opened(path) as image:
        _check_label_mode(path, image)
        return image.height, image.width


def _check_label_mode(path: str | Path, image: Image.Image) -> None:
    if image.mode not in LABEL_MODES:
        raise UserError(
            f"the label {path} has the mode {image.mode}, but a label has a single channel of "
            "class ids: save it as an 8-bit or 16-bit grey PNG, or as a palette PNG"
        )


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: check the path") from error
    # Broken files make PIL's readers raise almost anything: OSError, SyntaxError, struct.error, ...
    except Exception as error:
        raise UserError(
            f"cannot read {path} as a picture ({error}): replace the file or remove it"
        ) from error
