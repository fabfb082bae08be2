"""The outlines of the built-in scenes' objects."""

import math

from PIL import Image, ImageDraw

_SUPERSAMPLING = 4


def _regular(corners: int, radii: tuple[float, ...] = (1.0,)) -> list[complex]:
    """Places corners evenly around the origin, at radii taken in turn."""
    angles = [2 * math.pi * corner / corners for corner in range(corners)]
    return [
        radii[corner % len(radii)] * complex(math.cos(angle), math.sin(angle))
        for corner, angle in enumerate(angles)
    ]


_OUTLINES = {  # corners around the origin, within the unit circle or little more
    "circle": _regular(64),
    "square": _regular(4),
    "triangle": _regular(3),
    "star": _regular(10, (1.0, 0.45)),
    "ring": _regular(64),
}
_RING_HOLE = 0.55

SHAPES = tuple(_OUTLINES)


def shape_mask(shape: str, radius: float, turn: float, side: int) -> Image.Image:
    """Draws a shape in the middle of a square.

    Args:
        shape: one of SHAPES.
        radius: of the circle around it, in pixels.
        turn: rotation in radians.
        side: of the square, in pixels.

    Returns:
        An image of mode L, `side` pixels wide and high: 255 inside, 0 outside, antialiased.
    """
    image = Image.new("L", (side * _SUPERSAMPLING, side * _SUPERSAMPLING))
    draw = ImageDraw.Draw(image)
    middle = complex(side, side) / 2
    corner_scale = radius * complex(math.cos(turn), math.sin(turn))

    def fill(scale: float, value: int) -> None:
        points = [(middle + corner * corner_scale * scale) * _SUPERSAMPLING for corner in _OUTLINES[shape]]
        draw.polygon([(point.real, point.imag) for point in points], fill=value)

    fill(1.0, 255)
    if shape == "ring":
        fill(_RING_HOLE, 0)
    return image.reduce(_SUPERSAMPLING)
