"""Changes hue and saturation of an image: Pillow's conversions to HSV and back in integers, bit for bit.

Pillow converts pixel by pixel in floating point. The hue is a function of the order of the three channels
and of two differences, the saturation of the largest channel and one difference: both are looked up in tables
that Pillow fills once. The way back rounds rational numbers that are never halfway between two integers, so
integer arithmetic gives the same.
"""

import functools
import itertools

import numpy as np
from PIL import Image

_VALUES = np.arange(256, dtype=np.uint8)
_BLOCK_PIXELS = 2**16  # whose arrays stay in the cache of a core


def change_hue_saturation(image: Image.Image, hues: bytes, saturations: bytes) -> np.ndarray:
    """Returns the array of `image.convert("HSV").point(...).convert("RGB")`.

    Args:
        image: mode RGB, [H, W].
        hues: the new hue for each of 256.
        saturations: the new saturation for each of 256.

    Returns:
        uint8 [H, W, 3].
    """
    channels = [np.frombuffer(image.tobytes("raw", band), np.uint8) for band in "RGB"]
    rgb = np.empty((image.height * image.width, 3), np.uint8)
    sextants, remainders = _sextants(hues)
    saturation_table = _translate(_saturation_table(), saturations)
    for start in range(0, len(rgb), _BLOCK_PIXELS):
        block = slice(start, start + _BLOCK_PIXELS)
        pixels = [channel[block] for channel in channels]
        rgb[block] = _change_block(pixels, sextants, remainders, saturation_table)
    return rgb.reshape(image.height, image.width, 3)


def _change_block(
    channels: list[np.ndarray], sextants: bytes, remainders: bytes, saturation_table: np.ndarray
) -> np.ndarray:
    r, g, b = channels
    low, high = np.minimum(r, g), np.maximum(r, g)
    largest = np.maximum(high, b)
    middle = np.maximum(low, np.minimum(high, b))
    delta = largest - np.minimum(low, b)

    index = np.zeros((r.size, 4), np.uint16)  # four form an int64
    index[:, 0] = _pair(delta, largest - middle)
    index[:, 1] = _order(r, g, b)
    hue = _hue_table().take(index.view("<i8").ravel())
    saturation = saturation_table.take(_pair(largest, delta))

    new_middle = _middle(largest, saturation, _translate(hue, remainders))
    new_smallest = _divide_by_255((255 - saturation) * largest.astype(np.uint16))
    return _arrange(_translate(hue, sextants), largest, new_middle, new_smallest)


def _order(r: np.ndarray, g: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The order of the channels, 0 to 7; for equal channels either order gives the same hue."""
    order = (r >= b).view(np.uint8)
    order += order
    order += (g >= b).view(np.uint8)
    order += order
    order += (r >= g).view(np.uint8)
    return order


def _pair(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """256 * high + low, uint16."""
    pair = high.astype(np.uint16)
    pair <<= 8
    pair += low.astype(np.uint16)
    return pair


@functools.cache
def _hue_table() -> np.ndarray:
    """Pillow's hue by (order of the channels, delta, largest - middle), flat."""
    delta, step = (grid.ravel() for grid in np.meshgrid(_VALUES, _VALUES, indexing="ij"))
    channels = np.full_like(delta, 255), 255 - np.minimum(step, delta), 255 - delta
    table = np.zeros((8, 1 << 16), np.uint8)
    for ranks in itertools.permutations(range(3)):
        rgb = np.stack([channels[rank] for rank in ranks], axis=-1)
        order = _order(*(np.array([-rank], np.int8) for rank in ranks))[0]
        table[order] = _to_hsv(rgb)[:, 0]
    return table.ravel()


@functools.cache
def _saturation_table() -> np.ndarray:
    """Pillow's saturation by (largest, delta), flat."""
    largest, delta = (grid.ravel() for grid in np.meshgrid(_VALUES, _VALUES, indexing="ij"))
    smallest = largest - np.minimum(delta, largest)
    return _to_hsv(np.stack([largest, smallest, smallest], axis=-1))[:, 1].copy()


def _to_hsv(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(rgb[None]).convert("HSV"))[0]


def _sextants(hues: bytes) -> tuple[bytes, bytes]:
    """The sextant of each new hue, 0 to 5, and its middle channel's distance from the largest, 0 to 255."""
    parts = [divmod(6 * hue, 255) for hue in hues]
    sextant = bytes(whole % 6 for whole, _ in parts)
    return sextant, bytes(rest if whole % 2 else 255 - rest for whole, rest in parts)


def _middle(largest: np.ndarray, saturation: np.ndarray, remainder: np.ndarray) -> np.ndarray:
    """Computes largest * (1 - saturation / 255 * remainder / 255), rounded; numbers below 2**24 are exact."""
    factor = 255 * 255 - np.multiply(saturation, remainder, dtype=np.uint16)
    product = factor.astype(np.float32)
    product *= largest.astype(np.float32)
    product += 255 * 255 // 2
    product /= 255 * 255
    return product.astype(np.uint8)


def _divide_by_255(x: np.ndarray) -> np.ndarray:
    """Rounds x / 255, for uint16 up to 255 * 255."""
    x += 128
    x += x >> 8
    return (x >> 8).astype(np.uint8)


def _arrange(
    sextant: np.ndarray, largest: np.ndarray, middle: np.ndarray, smallest: np.ndarray
) -> np.ndarray:
    """The channels [N, 3] by sextant."""
    rgb = np.empty((sextant.size, 3), np.uint8)
    masks = [-(sextant == index).view(np.uint8) for index in range(6)]  # 255 where it is `index`
    for channel, (first, second) in enumerate([(5, 0), (1, 2), (3, 4)]):  # where it is the largest
        value = (masks[first] | masks[second]) & largest
        value |= (masks[first - 1] | masks[(second + 1) % 6]) & middle
        rgb[:, channel] = np.maximum(value, smallest)
    return rgb


def _translate(values: np.ndarray, table: bytes) -> np.ndarray:
    """`table[values]`, faster."""
    return np.frombuffer(values.tobytes().translate(table), np.uint8)
