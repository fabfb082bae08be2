"""The published training augmentation, and the resize that evaluation begins with.

Source: CAT-Seg's configuration of detectron2 (`ResizeShortestEdge`, `RandomCrop`,
`ColorAugSSDTransform`, `RandomFlip`, padding to the crop), which the published H-CLIP code keeps.
"""

import numpy as np
from PIL import Image

from hclip_jax.data.types import IGNORE, Example

_LONGEST = 1333  # detectron2's INPUT.MAX_SIZE_TRAIN; only panoramas reach it and need padding
_PAD = 128

_BRIGHTNESS = 32.0
_GAIN = (0.5, 1.5)  # of contrast and of saturation
_HUE = 18  # in steps of two degrees, as OpenCV counts hue


def augment(example: Example, rng: np.random.Generator, crop_size: int) -> dict[str, np.ndarray]:
    """Makes a training picture: resize, random crop, colour jitter, random flip, padding.

    Args:
        example: image uint8 [H, W, 3] and label int32 [H, W].
        rng: the only source of randomness.
        crop_size: pixels along each side of the result.

    Returns:
        image uint8 [crop_size, crop_size, 3] and label int32 [crop_size, crop_size]; where the picture does not reach,
        the image is 128 and the label IGNORE.
    """
    height, width = _shortest_shape(example["label"].shape, crop_size, _LONGEST)
    top = int(rng.integers(max(height - crop_size, 0) + 1))
    left = int(rng.integers(max(width - crop_size, 0) + 1))
    window = (left, top, min(left + crop_size, width), min(top + crop_size, height))

    picture = Image.fromarray(example["image"]).resize((width, height), Image.Resampling.BILINEAR)
    mask = Image.fromarray(example["label"]).resize((width, height), Image.Resampling.NEAREST)
    image = np.asarray(_jitter(picture.crop(window), rng))
    label = np.asarray(mask.crop(window))
    if rng.random() < 0.5:
        image, label = image[:, ::-1], label[:, ::-1]

    padding = ((0, crop_size - label.shape[0]), (0, crop_size - label.shape[1]))
    return {
        "image": np.pad(image, (*padding, (0, 0)), constant_values=_PAD),
        "label": np.pad(label, padding, constant_values=IGNORE),
    }


def resize_shortest(image: np.ndarray, short: int = 640, longest: int = 2560) -> np.ndarray:
    """Resizes a picture to the short side `short`, or to the long side `longest` if that is less.

    Args:
        image: uint8 [H, W, 3].
        short: wanted pixels along the short side.
        longest: pixels that the long side may have at most.

    Returns:
        uint8 [H', W', 3], bilinear; the given array itself if it has that size already.
    """
    height, width = _shortest_shape(image.shape, short, longest)
    if (height, width) == image.shape[:2]:
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def _shortest_shape(shape: tuple[int, ...], short: int, longest: int) -> tuple[int, int]:
    """Computes the shape after a resize, rounded as detectron2's `ResizeShortestEdge` rounds."""
    height, width = shape[:2]
    scale = short / min(height, width)
    # The short side is set, not scaled, so that rounding errors cannot make it short - 1.
    new_height, new_width = (
        (float(short), scale * width) if height < width else (scale * height, float(short))
    )
    if max(new_height, new_width) > longest:
        shrink = longest / max(new_height, new_width)
        new_height, new_width = new_height * shrink, new_width * shrink
    return max(int(new_height + 0.5), 1), max(int(new_width + 0.5), 1)


def _jitter(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """SSD's colour jitter; each of its four parts is applied with probability one half."""
    if rng.random() < 0.5:
        offset = rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
        picture = picture.point(_linear(1.0, offset) * 3)
    contrast = _linear(rng.uniform(*_GAIN), 0.0) * 3 if rng.random() < 0.5 else None
    contrast_first = rng.random() < 0.5
    if contrast and contrast_first:
        picture = picture.point(contrast)
    saturation = rng.uniform(*_GAIN) if rng.random() < 0.5 else 1.0
    hue = int(rng.integers(-_HUE, _HUE + 1)) if rng.random() < 0.5 else 0
    if saturation != 1.0 or hue:
        picture = _shift_colours(picture, saturation, hue)
    if contrast and not contrast_first:
        picture = picture.point(contrast)
    return picture


def _shift_colours(picture: Image.Image, saturation: float, hue: int) -> Image.Image:
    """Multiplies the saturation and turns the hue by steps of two degrees."""
    # PIL counts the full circle of hues as 255 steps, OpenCV as 180.
    turned = [round(value + hue * 255 / 180) % 255 for value in range(256)]
    table = turned + _linear(saturation, 0.0) + list(range(256))
    return picture.convert("HSV").point(table).convert("RGB")


def _linear(gain: float, offset: float) -> list[int]:
    """Tabulates clip(gain * value + offset) for one channel of 8 bits."""
    return np.clip(np.arange(256) * gain + offset, 0, 255).astype(np.uint8).tolist()
