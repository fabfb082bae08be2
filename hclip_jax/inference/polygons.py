"""Masks as polygons, for labelling tools."""

import numpy as np
from contourpy import LineType, contour_generator
from scipy import ndimage

# Pixels that a simplified border is off at most: less than a pixel's centre is away from its border, which is
# 0.5 along a row or column and 0.354 at a corner.
_TOLERANCE = 0.35


def mask_polygons(mask: np.ndarray) -> list[np.ndarray]:
    """The borders of a mask as polygons without holes, which labelling tools cannot draw.

    A region with holes is cut into pieces along rows through its holes. A pixel is in the
    mask where its centre is in a polygon.

    Args:
        mask: bool [H, W].

    Returns:
        float64 [P, 2] each: x from 0 to W and y from 0 to H; the pixel (0, 0) reaches from 0 to 1.
    """
    polygons: list[np.ndarray] = []
    pieces = [(mask, 0, 0)]  # with the position of their upper left corner
    while pieces:
        piece, top, left = pieces.pop()
        regions, _ = ndimage.label(piece)
        for number, rows_columns in enumerate(ndimage.find_objects(regions), 1):
            region = regions[rows_columns] == number
            y, x = top + rows_columns[0].start, left + rows_columns[1].start
            if (row := _row_of_hole(region)) is None:
                polygons.append(np.add(_simplified(_border(region)), (x, y)))
            else:
                pieces += [(region[:row], y, x), (region[row:], y + row, x)]
    return polygons


def _row_of_hole(region: np.ndarray) -> int | None:
    """The row in the middle of the holes of a region, or of one of them; None without a hole."""
    holes = ndimage.binary_fill_holes(region) & ~region
    rows = np.flatnonzero(holes.any(axis=1))
    # A hole does not touch the first row, so both pieces have rows.
    return int(rows[len(rows) // 2]) if len(rows) else None


def _border(region: np.ndarray) -> np.ndarray:
    """The closed border of one connected region without holes, halfway between pixels: [P, 2] of x and y."""
    field = np.pad(region, 1).astype(np.float64)
    lines = contour_generator(z=field, line_type=LineType.Separate).lines(0.5)
    return np.asarray(lines[0]) - 0.5  # the centre of pixel (0, 0), padded to (1, 1), is at 0.5


def _simplified(ring: np.ndarray) -> np.ndarray:
    """Drops points of a closed ring that are near the line between others (Douglas and Peucker)."""
    far = int(((ring - ring[0]) ** 2).sum(axis=1).argmax())
    kept, spans = {0, far}, [(0, far), (far, len(ring) - 1)]
    while spans:
        first, last = spans.pop()
        distance = _distance(ring[first : last + 1])
        index = int(distance.argmax())
        if distance[index] > _TOLERANCE:
            kept.add(first + index)
            spans += [(first, first + index), (first + index, last)]
    simple = ring[sorted(kept)]
    return simple if len(simple) > 2 else ring[:-1]


def _distance(points: np.ndarray) -> np.ndarray:
    """Distance of each point from the segment between the first and the last."""
    start, direction = points[0], points[-1] - points[0]
    share = ((points - start) @ direction) / max(direction @ direction, 1e-12)
    nearest = start + np.clip(share, 0, 1)[:, None] * direction
    return np.sqrt(((points - nearest) ** 2).sum(axis=1))
