"""The published sliding window: windows of a square canvas, averaged with a view of the whole image.

The image (shortest edge 640) is resized to a 640 x 640 canvas, which 384 x 384 windows at stride 256 tile.
One further view is the whole image at 384 x 384, resized from the image and not from the canvas.
Probabilities are averaged where windows overlap; the result is averaged with the whole view's, half and half.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hclip_jax.ops import resize


def window_corners(canvas_size: int, crop_size: int, stride: int) -> list[tuple[int, int]]:
    """Top left corners (y, x) of the windows in row-major order."""
    starts = range(0, canvas_size - crop_size + 1, stride)
    return [(y, x) for y in starts for x in starts]


def window_views(image: np.ndarray, canvas_size: int, crop_size: int, stride: int) -> np.ndarray:
    """The V views of an image: its windows, then the whole image.

    Args:
        image: uint8 [H, W, 3], already resized to the shortest edge of the protocol.
        canvas_size: height and width of the canvas in pixels.
        crop_size: height and width of a window in pixels.
        stride: pixels between windows.

    Returns:
        float32 [V, crop_size, crop_size, 3] from 0 to 255, not rounded.
    """
    canvas = resize_square(image, canvas_size)
    windows = [
        canvas[y : y + crop_size, x : x + crop_size]
        for y, x in window_corners(canvas_size, crop_size, stride)
    ]
    return np.stack([*windows, resize_square(image, crop_size)])


def resize_square(image: np.ndarray, size: int) -> np.ndarray:
    """An image [H, W, 3] resized bilinearly to float32 [size, size, 3], not rounded."""
    rows, columns = (resize.bilinear_weights(size, length) for length in image.shape[:2])
    # The arithmetic of `gather_bilinear`, with the channels last: a third of its time.
    weight = columns.weight[:, None]
    x = image.take(columns.low, axis=1) * (1 - weight) + image.take(columns.high, axis=1) * weight
    weight = rows.weight[:, None, None]
    return x.take(rows.low, axis=0) * (1 - weight) + x.take(rows.high, axis=0) * weight


def merge_views(logits: Array, canvas_size: int, crop_size: int, stride: int) -> Array:
    """Class probabilities of the canvas from the logits of the V views of `window_views`.

    Args:
        logits: float32 [V, T, 4h, 4w].
        canvas_size: as in `window_views`.
        crop_size: as in `window_views`.
        stride: as in `window_views`.

    Returns:
        float32 [T, canvas_size, canvas_size].
    """
    count = np.zeros((canvas_size, canvas_size), np.float32)
    total = jnp.zeros((logits.shape[1], canvas_size, canvas_size))
    # One view after another: at full size the probabilities of many classes take gigabytes a view.
    for view, (y, x) in enumerate(window_corners(canvas_size, crop_size, stride)):
        window = (slice(None), slice(y, y + crop_size), slice(x, x + crop_size))
        total = total.at[window].add(_probabilities(logits[view], crop_size))
        count[window[1:]] += 1
    whole = resize.upsample_maps(_probabilities(logits[-1], crop_size), (canvas_size, canvas_size))
    return (total / count[None] + whole) / 2


def _probabilities(logits: Array, crop_size: int) -> Array:
    return jax.nn.sigmoid(resize.upsample_maps(logits, (crop_size, crop_size)))
