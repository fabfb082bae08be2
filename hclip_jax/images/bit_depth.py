"""16 bits a channel as 8: cameras, scanners and microscopes often fill only 10, 12 or 14 of the 16 bits."""

from typing import Any

import numpy as np
from PIL import Image

from hclip_jax.errors import UserError

_BITS = (8, 10, 12, 14, 16)
_COLOUR_BANDS = {"LA": 1, "RGB": 3, "RGBA": 3}  # the others are alpha, which is dropped


def has_16_bits(image: Image.Image) -> bool:
    """Whether an opened image, not yet loaded, stores its channels with more than 8 bits."""
    if image.mode.startswith("I"):
        return True
    tiles = getattr(image, "tile", ())  # Pillow drops them when it decodes the pixels
    return image.mode in _COLOUR_BANDS and any(";16" in str(tile[3]) for tile in tiles)


def to_8_bits(image: Image.Image, name: str) -> Image.Image:
    """Scales the values that the bits in use can hold to 0 to 255.

    Args:
        image: an image for which `has_16_bits` holds, loaded.
        name: its path or another name, for error messages.

    Raises:
        UserError: the image holds values that 16 bits cannot.
    """
    bits = _used_bits(image, name)
    if image.mode in _COLOUR_BANDS:  # Pillow keeps the upper 8 bits
        return image if bits in (8, 16) else image.point(_scale(bits - 8, 256) * len(image.getbands()))
    table = np.array(_scale(bits, 1 << bits), np.uint8)
    return Image.fromarray(table[np.asarray(image)])


def bit_depth_remark(image: Image.Image, name: str) -> str:
    """Says if fewer than 16 bits are in use: a clause without the name; empty if all are, or 8 of 32.

    Args:
        image: an opened image, not yet loaded.
        name: its path or another name, for error messages.

    Raises:
        UserError: as `to_8_bits`.
    """
    if not has_16_bits(image):
        return ""
    image.load()
    bits = _used_bits(image, name)
    if bits == 16 or (bits == 8 and image.mode == "I"):
        return ""
    if image.mode not in _COLOUR_BANDS:
        return f"uses {bits} of 16 bits: its values are scaled by their range, 0 to {(1 << bits) - 1}"
    if bits == 8:
        return "uses none of the upper 8 of its 16 bits: it is black"
    return f"uses {bits} of 16 bits: its values are scaled, with {1 << (bits - 8)} levels that are left"


def _used_bits(image: Image.Image, name: str) -> int:
    """The smallest usual number of bits that holds the largest value."""
    extrema: Any = image.getextrema()  # one pair, or one for each band
    if image.mode in _COLOUR_BANDS:
        largest = max(high for _, high in extrema[: _COLOUR_BANDS[image.mode]]) << 8
    else:
        smallest, largest = extrema
        if smallest < 0 or largest > 65535:
            raise UserError(
                f"{name} holds grey values from {smallest} to {largest}, but grey images have 8 or 16 bits: "
                "save it with 8 bits a channel"
            )
    return next(bits for bits in _BITS if largest < 1 << bits)


def _scale(bits: int, length: int) -> list[int]:
    """A table from the values of `bits` bits to 0 to 255, rounded; larger values become 255."""
    top = (1 << bits) - 1
    return [min(255, (value * 255 + top // 2) // top) for value in range(length)]
