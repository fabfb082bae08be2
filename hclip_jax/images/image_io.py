"""Reads image files of any mode, bit depth or rotation into arrays; and headers."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from hclip_jax.errors import UserError
from hclip_jax.images.bands import upright_rgb
from hclip_jax.images.bit_depth import bit_depth_remark, has_16_bits, to_8_bits
from hclip_jax.images.frames import has_several_frames
from hclip_jax.images.open_image import MAX_MEGAPIXELS, open_encoded, open_image
from hclip_jax.images.orientation import orientation, turned

FRAMES = "has several pages or frames, of which only the first is used"
"""The remark on an animation or a document."""


def read_image(path: str | Path, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """Reads an image as uint8 RGB [H, W, 3], upright according to its EXIF orientation.

    16 bits are scaled to 8, by the bits in use (`images/bit_depth.py`). Transparency is dropped, as in
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


def read_rgb(path: str | Path) -> Image.Image:
    """Reads an image as `read_image`, as Pillow's image of mode RGB."""
    with open_image(path) as image:
        return to_rgb(image, str(path))


def decode_rgb(content: bytes, name: str) -> Image.Image:
    """Decodes the bytes of an image file, as `read_rgb`; `name` is for error messages."""
    with open_encoded(content, name) as image:
        return to_rgb(image, name)


def to_rgb_array(image: Image.Image, name: str) -> np.ndarray:
    """Converts an open image to uint8 RGB [H, W, 3], as `read_image`.

    Args:
        image: the image, with its EXIF data.
        name: its path or another name, for error messages.

    Raises:
        UserError: the image has a mode that has no RGB form.
    """
    return upright_rgb(*_loaded(image, name))


def to_rgb(image: Image.Image, name: str) -> Image.Image:
    """Converts an open image to an upright one of mode RGB (perhaps itself), as `to_rgb_array`.

    Raises:
        UserError: as `to_rgb_array`.
    """
    image, turn = _loaded(image, name)
    is_rgb = image.mode == "RGB" and turn == 1
    return image if is_rgb else Image.fromarray(upright_rgb(image, turn))


def _loaded(image: Image.Image, name: str) -> tuple[Image.Image, int]:
    """Loads an open image and converts 16 bits to 8; also returns its EXIF orientation."""
    is_16_bit = has_16_bits(image)  # known before the pixels are decoded
    image.load()
    turn = orientation(image)
    if is_16_bit:
        image = to_8_bits(image, name)
    elif image.mode in ("F", "LAB"):
        raise UserError(f"{name} has the mode {image.mode}, which has no fixed RGB form: save it as RGB")
    return image, turn


def remarks(path: str | Path, max_megapixels: float = MAX_MEGAPIXELS) -> list[str]:
    """Describes what was perhaps not meant in an image that can be read: clauses without its name.

    Raises:
        UserError: as `read_image`.
    """
    with open_image(path, max_megapixels) as image:
        found = bit_depth_remark(image, str(path)), FRAMES * has_several_frames(image)
        return [remark for remark in found if remark]


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


def read_image_size(path: str | Path) -> tuple[int, int]:
    """Reads the (height, width) of the upright image; decodes a PNG whose header has no EXIF data.

    Raises:
        UserError: the file is missing or not an image.
    """
    with open_image(path) as image:
        size = image.height, image.width
        return size if image.format == "TIFF" else turned(size, orientation(image))


def format_size(size: tuple[int, int]) -> str:
    """Formats (height, width) in the common order: "640x480" is 640 wide."""
    return f"{size[1]}x{size[0]}"
