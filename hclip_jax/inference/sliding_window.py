"""The published sliding window: windows of a square canvas, averaged with the picture as a whole.

The picture (short side 640) is stretched to a 640 x 640 canvas, which 384 x 384 windows at stride 256
tile; a further view is the whole picture at 384 x 384, taken from the picture and not from the canvas.
Where windows overlap their probabilities are averaged; the result and the whole view's are averaged half
and half.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hclip_jax.ops import resize


def corners(canvas: int, crop: int, stride: int) -> list[tuple[int, int]]:
    """Top left corners (y, x) of the windows, row by row."""
    starts = range(0, canvas - crop + 1, stride)
    return [(y, x) for y in starts for x in starts]


def views(picture: np.ndarray, canvas: int, crop: int, stride: int) -> np.ndarray:
    """The windows of a picture, then the whole of it.

    Args:
        picture: uint8 [H, W, 3], already at the protocol's short side.
        canvas: side of the square the picture is stretched to.
        crop: side of the windows.
        stride: between windows.

    Returns:
        float32 [V, crop, crop, 3] in 0..255, not rounded.
    """
    stretched = resize_square(picture, canvas)
    windows = [stretched[y : y + crop, x : x + crop] for y, x in corners(canvas, crop, stride)]
    return np.stack([*windows, resize_square(picture, crop)])


def resize_square(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture [H, W, 3] resized bilinearly to float32 [side, side, 3], not rounded."""
    (height, width), channels = picture.shape[:2], picture.astype(np.float32).transpose(2, 0, 1)
    out = resize.sample(channels, resize.bilinear_weights(side, height), resize.bilinear_weights(side, width))
    return out.transpose(1, 2, 0)


def merge(logits: Array, canvas: int, crop: int, stride: int) -> Array:
    """Probabilities of a picture from the logits of its `views`.

    Args:
        logits: float32 [V, T, H', W'].
        canvas: as in `views`.
        crop: as in `views`.
        stride: as in `views`.

    Returns:
        float32 [T, canvas, canvas].
    """
    places = corners(canvas, crop, stride)
    count = np.zeros((canvas, canvas), np.float32)
    total = jnp.zeros((logits.shape[1], canvas, canvas))
    # One view after another: at full size those of a large vocabulary are gigabytes each.
    for view, (y, x) in enumerate(places):
        window = (slice(None), slice(y, y + crop), slice(x, x + crop))
        total = total.at[window].add(_probabilities(logits[view], crop))
        count[window[1:]] += 1
    whole = resize.bilinear(_probabilities(logits[-1], crop), (canvas, canvas), axes=(1, 2))
    return (total / count[None] + whole) / 2


def _probabilities(logits: Array, crop: int) -> Array:
    return jax.nn.sigmoid(resize.bilinear(logits, (crop, crop), axes=(1, 2)))
