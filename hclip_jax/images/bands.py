"""Large images are processed a band of rows at a time, so that temporary arrays stay small."""

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from hclip_jax.images.orientation import turned

LARGE_PIXELS = 2**25
"""Images with more pixels, 33 megapixels, are large: memory matters more than exactness."""

BAND_PIXELS = 2**22

# EXIF orientation: a view of an upright array that has the stored order of rows and columns.
_STORED_VIEW: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: np.rot90,
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


def row_bands(height: int, width: int) -> Iterator[slice]:
    """Slices of all rows in their order, each of at most BAND_PIXELS pixels or of a single row."""
    size = max(1, BAND_PIXELS // width)
    for top in range(0, height, size):
        yield slice(top, min(top + size, height))


def upright_rgb(image: Image.Image, orientation: int) -> np.ndarray:
    """Converts an image to read-only uint8 RGB [H, W, 3], upright, given its EXIF orientation.

    Besides the image and the result, memory holds one band. `convert` and `exif_transpose` of Pillow would
    hold three copies.
    """
    upright = np.empty((*turned(image.size[::-1], orientation), 3), np.uint8)
    stored = _STORED_VIEW[orientation](upright) if orientation > 1 else upright
    for rows in row_bands(image.height, image.width):
        is_whole = rows == slice(0, image.height)
        band = image if is_whole else image.crop((0, rows.start, image.width, rows.stop))
        if band.mode in ("P", "PA"):
            band = band.convert("RGBA")  # palette entries can have their own transparency
        stored[rows] = np.asarray(band.convert("RGB"))
    upright.flags.writeable = False
    return upright


def resize_bilinear(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes uint8 [H, W, 3] to `size` = (height, width) by Pillow's BILINEAR, which antialiases.

    Large images are resized in bands of rows and then of columns, so values may differ by rounding.
    """
    height, width = size
    if image.shape[0] * image.shape[1] <= LARGE_PIXELS:
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    narrow = np.empty((image.shape[0], width, 3), np.uint8)
    for rows in row_bands(*image.shape[:2]):
        band = Image.fromarray(image[rows])
        narrow[rows] = np.asarray(band.resize((width, band.height), Image.Resampling.BILINEAR))
    result = np.empty((height, width, 3), np.uint8)
    for columns in row_bands(width, image.shape[0]):
        band = Image.fromarray(narrow[:, columns])
        result[:, columns] = np.asarray(band.resize((band.width, height), Image.Resampling.BILINEAR))
    return result
