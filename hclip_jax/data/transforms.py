"""The published training augmentation, and the resize before inference.

Source: CAT-Seg's configuration of detectron2 (`ResizeShortestEdge`, `RandomCrop`, `ColorAugSSDTransform`,
`RandomFlip`, padding to the crop size), which the published H-CLIP code uses unchanged.
"""

import functools
from typing import NamedTuple

import numpy as np
from PIL import Image

from hclip_jax.data.hue_saturation import change_hue_saturation
from hclip_jax.data.types import IGNORE, DecodedExample, Example
from hclip_jax.images.bands import resize_bilinear

_LONGEST_EDGE = 1333  # detectron2's INPUT.MAX_SIZE_TRAIN; only panoramas reach it and need padding
_PAD_VALUE = 128

_MAX_BRIGHTNESS_OFFSET = 32.0
_GAIN_RANGE = (0.5, 1.5)  # of contrast and of saturation
_MAX_HUE_STEPS = 18  # of two degrees each, OpenCV's unit of hue


def augment(
    example: Example | DecodedExample, rng: np.random.Generator, crop_size: int
) -> dict[str, np.ndarray]:
    """Augments an example: resize, random crop, colour jitter, random flip, padding.

    Args:
        example: image uint8 [H, W, 3], or Pillow's of mode RGB, and label int32 or uint8 [H, W].
        rng: the only source of randomness.
        crop_size: height and width of the result, in pixels.

    Returns:
        image uint8 [crop_size, crop_size, 3] and label [crop_size, crop_size] of the dtype of the example's;
        padding is 128 in the image and in the label IGNORE, which is 255 in uint8.
    """
    height, width = _resized_shape(example["label"].shape, crop_size, _LONGEST_EDGE)
    top = int(rng.integers(max(height - crop_size, 0) + 1))
    left = int(rng.integers(max(width - crop_size, 0) + 1))
    box = (left, top, min(left + crop_size, width), min(top + crop_size, height))
    jitter = _draw_jitter(rng)
    is_flipped = rng.random() < 0.5

    image = example["image"]
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image = image.resize((width, height), Image.Resampling.BILINEAR).crop(box)
    rows = _nearest(example["label"].shape[0], height)[box[1] : box[3]]
    columns = _nearest(example["label"].shape[1], width)[box[0] : box[2]]
    if is_flipped:  # before the jitter: Pillow's pixels of four bytes are faster to reverse than three
        image, columns = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), columns[::-1]
    label = example["label"].take(rows, axis=0).take(columns, axis=1)
    pixels = _apply_jitter(image, jitter)
    if label.shape == (crop_size, crop_size):
        return {"image": pixels, "label": label}
    padding = ((0, crop_size - label.shape[0]), (0, crop_size - label.shape[1]))
    return {
        "image": np.pad(pixels, (*padding, (0, 0)), constant_values=_PAD_VALUE),
        "label": np.pad(label, padding, constant_values=np.int32(IGNORE).astype(label.dtype)),
    }


@functools.lru_cache(maxsize=256)
def _nearest(old_size: int, new_size: int) -> np.ndarray:
    """The index in each axis of `old_size` pixels that Pillow's NEAREST takes for each of `new_size`."""
    indices = Image.fromarray(np.arange(old_size, dtype=np.int32)[None])
    return np.asarray(indices.resize((new_size, 1), Image.Resampling.NEAREST))[0]


def resize_shortest(image: np.ndarray, shortest_edge: int, longest_edge: int) -> np.ndarray:
    """Resizes an image to a shortest edge, or to a longest edge if that makes it smaller.

    Args:
        image: uint8 [H, W, 3].
        shortest_edge: pixels of the shorter edge of the result.
        longest_edge: maximum number of pixels of the longer edge.

    Returns:
        The resized image, uint8 [height, width, 3], bilinear; `image` itself if it already has that size.
    """
    height, width = _resized_shape(image.shape, shortest_edge, longest_edge)
    if (height, width) == image.shape[:2]:
        return image
    return resize_bilinear(image, (height, width))


def _resized_shape(shape: tuple[int, ...], shortest_edge: int, longest_edge: int) -> tuple[int, int]:
    """(height, width) after `resize_shortest`, rounded as in detectron2's `ResizeShortestEdge`."""
    height, width = shape[:2]
    scale = shortest_edge / min(height, width)
    # The shorter edge is assigned, not scaled: rounding errors could make it one pixel too short.
    new_height, new_width = (
        (float(shortest_edge), scale * width) if height < width else (scale * height, float(shortest_edge))
    )
    if max(new_height, new_width) > longest_edge:
        shrink = longest_edge / max(new_height, new_width)
        new_height, new_width = new_height * shrink, new_width * shrink
    return max(int(new_height + 0.5), 1), max(int(new_width + 0.5), 1)


class _Jitter(NamedTuple):
    """SSD's colour jitter; tables are of clip(gain * value + offset, 0, 255) for all channels."""

    before: bytes | None  # the brightness, perhaps followed by the contrast
    saturation: float
    hue: int
    after: bytes | None  # the contrast, if it comes last


def _draw_jitter(rng: np.random.Generator) -> _Jitter:
    """Draws each of the four parts with probability one half."""
    before = after = None
    if rng.random() < 0.5:
        before = _linear(1.0, rng.uniform(-_MAX_BRIGHTNESS_OFFSET, _MAX_BRIGHTNESS_OFFSET))
    contrast = _linear(rng.uniform(*_GAIN_RANGE), 0.0) if rng.random() < 0.5 else None
    if rng.random() < 0.5:
        before = before.translate(contrast) if before and contrast else before or contrast
    else:
        after = contrast
    saturation = rng.uniform(*_GAIN_RANGE) if rng.random() < 0.5 else 1.0
    hue = int(rng.integers(-_MAX_HUE_STEPS, _MAX_HUE_STEPS + 1)) if rng.random() < 0.5 else 0
    return _Jitter(before, saturation, hue, after)


def _apply_jitter(image: Image.Image, jitter: _Jitter) -> np.ndarray:
    """Applies the jitter to an image of mode RGB: uint8 [H, W, 3]."""
    before, saturation, hue, after = jitter
    if saturation == 1.0 and not hue:
        before, after = before.translate(after) if before and after else before or after, None
    if before:
        image = image.point(list(before) * 3)
    pixels = _shift_colours(image, saturation, hue) if saturation != 1.0 or hue else np.asarray(image)
    if after:
        pixels = np.frombuffer(pixels.tobytes().translate(after), np.uint8).reshape(pixels.shape)
    return pixels


def _shift_colours(image: Image.Image, saturation: float, hue: int) -> np.ndarray:
    """Multiplies the saturation by `saturation` and shifts the hue by `hue` steps of two degrees."""
    # Pillow divides the full circle of hues into 255 steps, OpenCV into 180.
    shifted_hues = bytes(round(value + hue * 255 / 180) % 255 for value in range(256))
    return change_hue_saturation(image, shifted_hues, _linear(saturation, 0.0))


def _linear(gain: float, offset: float) -> bytes:
    """Lookup table of clip(gain * value + offset, 0, 255) for one channel of 8 bits."""
    return np.clip(np.arange(256) * gain + offset, 0, 255).astype(np.uint8).tobytes()
