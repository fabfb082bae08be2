"""Class colours that are easy to tell apart, also when blended with an image."""

import functools

import numpy as np

_FIRST_COLOUR = (230, 50, 50)


def palette(count: int) -> np.ndarray:
    """Colours of `count` classes, each the one that looks farthest from all before it.

    Colour t is the same for any `count`. After some thousands the colours repeat.

    Returns:
        uint8 [count, 3] RGB.
    """
    colours = _distinct_colours(count)
    return colours[np.arange(count) % len(colours)]


@functools.cache
def _distinct_colours(count: int) -> np.ndarray:
    """Up to `count` colours by farthest-point sampling of a grid in OKLab."""
    levels = np.linspace(0, 255, 22).round().astype(np.uint8)
    rgb = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    lab = _oklab(rgb)
    lightness, chroma = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
    vivid = (lightness > 0.42) & (lightness < 0.9) & (chroma > 0.08)
    # The image below the paint changes its lightness, so lightness separates classes less well than hue.
    rgb, lab = rgb[vivid], lab[vivid] * [0.6, 1, 1]

    order = [int(np.abs(rgb - np.array(_FIRST_COLOUR, np.float64)).sum(axis=1).argmin())]
    distance = np.full(len(rgb), np.inf)
    while len(order) < min(count, len(rgb)):
        distance = np.minimum(distance, ((lab - lab[order[-1]]) ** 2).sum(axis=1))
        order.append(int(distance.argmax()))
    return rgb[order]


def _oklab(rgb: np.ndarray) -> np.ndarray:
    """uint8 sRGB [..., 3] to Ottosson's OKLab, where Euclidean distance follows perceived difference."""
    s = rgb / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    to_lms = [[0.4122215, 0.5363325, 0.0514460], [0.2119035, 0.6806995, 0.1073970]]
    to_lms += [[0.0883025, 0.2817188, 0.6299787]]
    to_lab = [[0.2104543, 0.7936178, -0.0040720], [1.9779985, -2.4285922, 0.4505937]]
    to_lab += [[0.0259040, 0.7827718, -0.8086758]]
    return np.cbrt(linear @ np.transpose(to_lms)) @ np.transpose(to_lab)
