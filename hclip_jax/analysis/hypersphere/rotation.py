"""By which angles blocks rotate, and how far they are from being rotations."""

from typing import NamedTuple

import numpy as np
from jax import Array


class RotationAngles(NamedTuple):
    """Of the blocks [L, J, M, b, b] of one tower.

    Attributes:
        angles: [L, J, M, b] degrees, 0 to 180: of the eigenvalues of each block's nearest orthogonal
            matrix. A plane that turns counts twice, by its two conjugate eigenvalues.
        distance: [L, J, M], ||Q^T Q - I|| in the Frobenius norm.
    """

    angles: np.ndarray
    distance: np.ndarray


def turning(blocks: Array | np.ndarray) -> RotationAngles:
    """Measures blocks [..., b, b] of finite values, in float64.

    The nearest orthogonal matrix is the polar factor U V^T of the singular value decomposition; of an
    orthogonal block it is the block itself.
    """
    q = np.asarray(blocks, np.float64)
    u, _, vt = np.linalg.svd(q)
    nearest = u @ vt
    # Of an orthogonal matrix the symmetric part has the cosines for eigenvalues: many times quicker.
    cosines = np.linalg.eigvalsh((nearest + np.swapaxes(nearest, -1, -2)) / 2)
    stretch = np.swapaxes(q, -1, -2) @ q - np.eye(q.shape[-1])
    return RotationAngles(
        np.degrees(np.arccos(np.clip(cosines, -1, 1))), np.linalg.norm(stretch, axis=(-2, -1))
    )
