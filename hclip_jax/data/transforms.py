"""The published training augmentation, and the resize before inference.

Source: CAT-Seg's configuration of detectron2 (`ResizeShortestEdge`, `RandomCrop`, `ColorAugSSDTransform`,
`RandomFlip`, padding to the crop size), which the published H-CLIP code uses unchanged.
"""

import numpy as np
from PIL import Image

from hclip_jax.data.types import IGNORE, Example
from hclip_jax.images.bands import resize_bilinear

_LONGEST_EDGE = 1333  # detectron2's INPUT.MAX_SIZE_TRAIN; only panoramas reach it and need padding
_PAD_VALUE = 128

_MAX_BRIGHTNESS_OFFSET = 32.0
_GAIN_RANGE = (0.5, 1.5)  # of contrast and of saturation
_MAX_HUE_STEPS = 18  # of two degrees each, OpenCV's unit of hue


def augment(example: Example, rng: np.random.Generator, crop_size: int) -> dict[str, np.ndarray]:
    """Augments an example: resize, random crop, colour jitter, random flip, padding.

    Args:
        example: image uint8 [H, W, 3] and label int32 [H, W].
        rng: the only source of randomness.
        crop_size: height and width of the result, in pixels.

    Returns:
        image uint8 [crop_size, crop_size, 3] and label int32 [crop_size, crop_size]; padding is 128 in the
        image and IGNORE in the label.
    """
    height, width = _resized_shape(example["label"].shape, crop_size, _LONGEST_EDGE)
    top = int(rng.integers(max(height - crop_size, 0) + 1))
    left = int(rng.integers(max(width - crop_size, 0) + 1))
    box = (left, top, min(left + crop_size, width), min(top + crop_size, height))

    resized_image = Image.fromarray(example["image"]).resize((width, height), Image.Resampling.BILINEAR)
    resized_label = Image.fromarray(example["label"]).resize((width, height), Image.Resampling.NEAREST)
    image = np.asarray(_jitter(resized_image.crop(box), rng))
    label = np.asarray(resized_label.crop(box))
    if rng.random() < 0.5:
        image, label = image[:, ::-1], label[:, ::-1]

    padding = ((0, crop_size - label.shape[0]), (0, crop_size - label.shape[1]))
    return {
        "image": np.pad(image, (*padding, (0, 0)), constant_values=_PAD_VALUE),
        "label": np.pad(label, padding, constant_values=IGNORE),
    }


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


def _jitter(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Applies SSD's colour jitter: each of its four parts with probability one half."""
    if rng.random() < 0.5:
        offset = rng.uniform(-_MAX_BRIGHTNESS_OFFSET, _MAX_BRIGHTNESS_OFFSET)
        image = image.point(_linear(1.0, offset) * 3)
    contrast = _linear(rng.uniform(*_GAIN_RANGE), 0.0) * 3 if rng.random() < 0.5 else None
    contrast_first = rng.random() < 0.5
    if contrast and contrast_first:
        image = image.point(contrast)
    saturation = rng.uniform(*_GAIN_RANGE) if rng.random() < 0.5 else 1.0
    hue = int(rng.integers(-_MAX_HUE_STEPS, _MAX_HUE_STEPS + 1)) if rng.random() < 0.5 else 0
    if saturation != 1.0 or hue:
        image = _shift_colours(image, saturation, hue)
    if contrast and not contrast_first:
        image = image.point(contrast)
    return image


def _shift_colours(image: Image.Image, saturation: float, hue: int) -> Image.Image:
    """Multiplies the saturation by `saturation` and shifts the hue by `hue` steps of two degrees."""
    # Pillow divides the full circle of hues into 255 steps, OpenCV into 180.
    shifted_hues = [round(value + hue * 255 / 180) % 255 for value in range(256)]
    table = shifted_hues + _linear(saturation, 0.0) + list(range(256))
    return image.convert("HSV").point(table).convert("RGB")


def _linear(gain: float, offset: float) -> list[int]:
    """Lookup table of clip(gain * value + offset, 0, 255) for one channel of 8 bits."""
    return np.clip(np.arange(256) * gain + offset, 0, 255).astype(np.uint8).tolist()
