"""Surface patterns of the objects of the built-in scenes."""

import math

import numpy as np


def pattern_mask(pattern: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a pattern at a random angle, phase and period.

    Args:
        pattern: one of PATTERNS.
        size: height and width in pixels.
        rng: the source of randomness.

    Returns:
        float32 [size, size], 1 on the pattern, 0 elsewhere.
    """
    angle, period = rng.uniform(0, math.pi), rng.uniform(8, 12)
    y, x = np.mgrid[:size, :size].astype(np.float32) * np.float32(2 * math.pi / period)
    u = x * math.cos(angle) + y * math.sin(angle) + rng.uniform(0, 2 * math.pi)
    v = y * math.cos(angle) - x * math.sin(angle) + rng.uniform(0, 2 * math.pi)
    match pattern:
        case "striped":
            mask = np.sin(u) > 0
        case "dotted":
            mask = np.sin(u) + np.sin(v) > 0.9
        case "checked":
            mask = np.sin(u) * np.sin(v) > 0
        case _:
            mask = np.zeros((size, size), bool)
    return mask.astype(np.float32)
