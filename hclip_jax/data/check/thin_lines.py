"""Ids that interpolation made: resizing a label by averages draws lines of other ids along its borders.

Between the ids 2 and 8 the average is 5, which may be a class too, so that no id is wrong. A real class of
thin things is rarely thin in a whole label and between a smaller and a larger id everywhere: of 138 COCO
labels none is suspected, 5 if they are shrunk to a quarter by nearest neighbour, over 130 if by averages.
"""

import numpy as np

_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
_MIN_PIXELS = 8  # of an id
_MIN_BETWEEN = 0.8  # share of its pixels that lie between a smaller and a larger id


def thin_lines_between(raw: np.ndarray, ignore: int) -> tuple[int, ...]:
    """Returns the ids that show only as lines of 1 to 2 pixels, each between a smaller and a larger id.

    Args:
        raw: stored values [H, W].
        ignore: the value of unlabelled pixels; it is neither smaller nor larger.
    """
    if raw.min() < 0 or raw.max() > 65535:
        return ()
    is_used = np.zeros(max(int(raw.max()), ignore) + 1, bool)
    is_used[raw] = True
    is_solid = np.zeros_like(is_used)
    is_solid[_inner_ids(raw)] = True
    is_solid[ignore] = is_used[ignore] = False
    y, x = np.nonzero((is_used & ~is_solid)[raw])
    if not len(y) or 2 * len(y) > raw.size:  # noise, which would take long
        return ()
    ids = raw[y, x].astype(np.int32)
    is_between = _are_between(raw, ids, is_solid, y, x)
    num_pixels = np.bincount(ids)
    num_between = np.bincount(ids, is_between)
    found = (num_pixels >= _MIN_PIXELS) & (num_between >= _MIN_BETWEEN * num_pixels)
    return tuple(np.flatnonzero(found).tolist())


def _inner_ids(raw: np.ndarray) -> np.ndarray:
    """The ids of pixels whose 8 neighbours have the same id; no line of 2 pixels has one."""
    row = (raw[:, :-2] == raw[:, 1:-1]) & (raw[:, 1:-1] == raw[:, 2:])
    middle = raw[:, 1:-1]
    column = (middle[:-2] == middle[1:-1]) & (middle[1:-1] == middle[2:])
    return np.unique(middle[1:-1][row[:-2] & row[1:-1] & row[2:] & column])


def _are_between(
    raw: np.ndarray, ids: np.ndarray, is_solid: np.ndarray, y: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Whether pixels have a smaller id on one side, within 2 pixels, and a larger one on the other.

    Only ids that are not thin themselves count: in noise, every pixel would lie between two others.
    """
    height, width = raw.shape

    def sides(dy: int, dx: int) -> tuple[np.ndarray, np.ndarray]:
        """Whether there is a smaller and a larger id on the side (dy, dx)."""
        smaller, larger = np.zeros(len(ids), bool), np.zeros(len(ids), bool)
        for step in (1, 2):
            other = raw[(y + step * dy).clip(0, height - 1), (x + step * dx).clip(0, width - 1)]
            smaller |= is_solid[other] & (other < ids)
            larger |= is_solid[other] & (other > ids)
        return smaller, larger

    found = np.zeros(len(ids), bool)
    for dy, dx in _DIRECTIONS:
        (smaller, larger), (other_smaller, other_larger) = sides(dy, dx), sides(-dy, -dx)
        found |= (smaller & other_larger) | (larger & other_smaller)
    return found
