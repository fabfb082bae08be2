"""What is painted on the objects of the built-in scenes."""

import math

import numpy as np


def pattern_mask(pattern: str, side: int, rng: np.random.Generator) -> np.ndarray:
    """Paints a pattern at a random angle and place.

    Args:
        pattern: one of PATTERNS.
        side: of the square, in pixels.
        rng: decides angle, place and period.

    Returns:
        float32 [side, side], 1 where the pattern is, 0 elsewhere.
    """
    turn, period = rng.uniform(0, math.pi), rng.uniform(8, 12)
    y, x = np.mgrid[:side, :side].astype(np.float32) * np.float32(2 * math.pi / period)
    along = x * math.cos(turn) + y * math.sin(turn) + rng.uniform(0, 2 * math.pi)
    across = y * math.cos(turn) - x * math.sin(turn) + rng.uniform(0, 2 * math.pi)
    match pattern:
        case "striped":
            painted = np.sin(along) > 0
        case "dotted":
            painted = np.sin(along) + np.sin(across) > 0.9
        case "checked":
            painted = np.sin(along) * np.sin(across) > 0
        case _:
            painted = np.zeros((side, side), bool)
    return painted.astype(np.float32)
