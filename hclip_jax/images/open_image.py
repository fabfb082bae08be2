"""Opens image files of a few formats and of a limited size, and names the reason where it cannot."""

import contextlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from hclip_jax.errors import UserError
from hclip_jax.images.quiet import quiet_pillow
from hclip_jax.io.substitutes import substitute, substitute_content

MAX_MEGAPIXELS = 180.0
"""Larger images are refused: about 9 bytes a pixel are needed to decode one."""

# Whatever a file is named: of Pillow's other formats, some start programs (EPS starts Ghostscript).
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_MAX_EDGE = 2**22  # pixels; memory also grows with the number of rows
_pillow_limit = threading.Lock()


@contextlib.contextmanager
def open_image(path: str | Path, max_megapixels: float = MAX_MEGAPIXELS) -> Iterator[Image.Image]:
    """Opens an image file without decoding it; converts errors, also those of the block, to UserError.

    Raises:
        UserError: the file is missing, cannot be read, is no image of a known format, or too large.
    """
    with _one_sentence(str(path)):
        if instead := substitute(Path(path)):  # before Pillow: opening a pipe may never end
            raise UserError(f"cannot read {path} as an image: it {instead}")
        with _open(path, str(path), max_megapixels) as image:
            yield image


@contextlib.contextmanager
def open_encoded(content: bytes, name: str, max_megapixels: float = MAX_MEGAPIXELS) -> Iterator[Image.Image]:
    """Opens the bytes of an image file, as `open_image`; `name` is for error messages."""
    with _one_sentence(name):
        if instead := substitute_content(content[:512]):
            raise UserError(f"cannot read {name} as an image: it {instead}")
        with _open(io.BytesIO(content), name, max_megapixels) as image:
            yield image


@contextlib.contextmanager
def _open(file: str | Path | io.BytesIO, name: str, max_megapixels: float) -> Iterator[Image.Image]:
    # Pillow's context closes the file only: the block may hand on a loaded image without a copy.
    with quiet_pillow(), _open_without_pillows_limit(file) as image:
        check_size((image.height, image.width), name, max_megapixels)
        yield image


@contextlib.contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    # Pillow raises many exceptions for broken files: OSError, SyntaxError, struct.error, ...
    except Exception as error:
        raise UserError(_sentence(name, error)) from error


def check_size(size: tuple[int, int], name: str, max_megapixels: float = MAX_MEGAPIXELS) -> None:
    """Raises UserError if an image of `size` = (height, width) is too large to be decoded."""
    height, width = size
    megapixels = height * width / 1e6
    if megapixels <= max_megapixels and max(size) <= _MAX_EDGE:
        return
    allowed = f"{max_megapixels:,g} megapixels and {_MAX_EDGE:,} pixels a side"
    raise UserError(
        f"{name} has {width:,} x {height:,} pixels ({megapixels:,.1f} megapixels), but at most {allowed} are "
        "read: reduce it or cut it into tiles (hclip segment also has --max_megapixels)"
    )


def _sentence(path: str, error: Exception) -> str:
    """The message for an error of Pillow or of the system, with the path once."""
    if isinstance(error, FileNotFoundError):
        return f"{path} does not exist: check the path"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot read {path} ({error.strerror}): give a file that you may read"
    if isinstance(error, MemoryError):
        return f"cannot read {path}: its pixels do not fit into memory; reduce it or cut it into tiles"
    if isinstance(error, UnidentifiedImageError):
        formats = ", ".join(_FORMATS)
        return (
            f"cannot read {path} as an image (its format is none of {formats}, whatever its name): convert it"
        )
    return f"cannot read {path} as an image ({str(error)[:100]}): replace the file or remove it"


def _open_without_pillows_limit(file: str | Path | io.BytesIO) -> Image.Image:
    """Opens an image of any size: `check_size` has the limit, and Pillow's warns before it refuses.

    Pillow's limit is a global variable, which belongs to the user's program.
    """
    with _pillow_limit:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=_FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
