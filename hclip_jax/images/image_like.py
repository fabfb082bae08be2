"""Images as users of the Python interface have them: paths, PIL images, arrays."""

from pathlib import Path

import numpy as np
from PIL import Image

from hclip_jax.errors import UserError
from hclip_jax.images.image_io import read_image, to_rgb_array
from hclip_jax.images.open_image import MAX_MEGAPIXELS, check_size

ImageLike = str | Path | Image.Image | np.ndarray
"""A path, a PIL image, or uint8 [H, W], [H, W, 3] or [H, W, 4] of any size."""

_EXPECTED = "give uint8 [H, W, 3], RGB from 0 to 255"


def as_rgb(image: ImageLike, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """An image as uint8 [H, W, 3] RGB, upright.

    Raises:
        UserError: the image cannot be read, is too large, or is an array of another shape or dtype.
    """
    if isinstance(image, (str, Path)):
        return read_image(image, max_megapixels)
    if isinstance(image, Image.Image):
        return _from_pil(image, max_megapixels)
    try:
        array = np.asarray(image)
    except Exception as error:  # rows of different lengths, or an object that does not convert itself
        raise UserError(f"the image is a {type(image).__name__} and no array; {_EXPECTED}") from error
    has_channels = array.shape[2:] in ((), (3,), (4,))
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or not has_channels or not array.size:
        raise UserError(f"the image is an array {array.dtype} {array.shape}; {_EXPECTED}")
    if array.ndim == 2:
        return np.stack([array] * 3, axis=-1)
    # A copy: the result does not change with the user's array.
    return array[..., :3].copy() if array.flags.writeable or array.shape[2] > 3 else array


def _from_pil(image: Image.Image, max_megapixels: float) -> np.ndarray:
    if not all(image.size):
        raise UserError(f"the image has {image.width} x {image.height} pixels; {_EXPECTED}")
    check_size((image.height, image.width), "the image", max_megapixels)
    try:
        return to_rgb_array(image, "the image")
    except UserError:
        raise
    except Exception as error:  # decoded here for the first time: truncated, broken or closed
        reason = str(error)[:100]
        raise UserError(
            f"the image cannot be decoded ({reason}): open a whole file, or give its path"
        ) from error
