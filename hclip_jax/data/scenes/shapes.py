"""Outlines of the objects of the built-in scenes."""

import math

from PIL import Image, ImageDraw

_SUPERSAMPLING = 4


def _regular_polygon(num_corners: int, radii: tuple[float, ...] = (1.0,)) -> list[complex]:
    """Corners at equal angles around the origin; corner i has the radius radii[i % len(radii)]."""
    angles = [2 * math.pi * corner / num_corners for corner in range(num_corners)]
    return [
        radii[corner % len(radii)] * complex(math.cos(angle), math.sin(angle))
        for corner, angle in enumerate(angles)
    ]


_OUTLINES = {  # corners around the origin, within the unit circle
    "circle": _regular_polygon(64),
    "square": _regular_polygon(4),
    "triangle": _regular_polygon(3),
    "star": _regular_polygon(10, (1.0, 0.45)),
    "ring": _regular_polygon(64),
}
_RING_HOLE = 0.55  # inner radius over outer radius

SHAPES = tuple(_OUTLINES)


def shape_mask(shape: str, radius: float, angle: float, size: int) -> Image.Image:
    """Draws a shape in the middle of a square image.

    Args:
        shape: one of SHAPES.
        radius: of the circumscribed circle, in pixels.
        angle: rotation in radians.
        size: height and width of the image in pixels.

    Returns:
        An image of mode L, `size` x `size`: 255 inside, 0 outside, antialiased.
    """
    image = Image.new("L", (size * _SUPERSAMPLING, size * _SUPERSAMPLING))
    draw = ImageDraw.Draw(image)
    centre = complex(size, size) / 2
    corner_scale = radius * complex(math.cos(angle), math.sin(angle))

    def fill(scale: float, value: int) -> None:
        points = [(centre + corner * corner_scale * scale) * _SUPERSAMPLING for corner in _OUTLINES[shape]]
        draw.polygon([(point.real, point.imag) for point in points], fill=value)

    fill(1.0, 255)
    if shape == "ring":
        fill(_RING_HOLE, 0)
    return image.reduce(_SUPERSAMPLING)
