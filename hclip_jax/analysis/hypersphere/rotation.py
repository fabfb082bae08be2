"""Rotation angles of blocks, and their distance from orthogonality."""

import numpy as np
from jax import Array


def rotation_angles(blocks: Array | np.ndarray) -> np.ndarray:
    """Angles of the eigenvalues of each block's nearest orthogonal matrix, computed in float64.

    The nearest orthogonal matrix is the polar factor U V^T of the singular value decomposition; for an
    orthogonal block it is the block.

    Args:
        blocks: [..., b, b], finite.

    Returns:
        float64 [..., b] degrees, from 0 to 180. The angle of a rotated plane occurs twice, once for each of
        its two conjugate eigenvalues.
    """
    u, _, vt = np.linalg.svd(np.asarray(blocks, np.float64))
    nearest = u @ vt
    # The eigenvalues of the symmetric part of an orthogonal matrix are the cosines of its angles; they are
    # computed much faster than complex eigenvalues.
    cosines = np.linalg.eigvalsh((nearest + np.swapaxes(nearest, -1, -2)) / 2)
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def orthogonality_error(blocks: Array | np.ndarray) -> np.ndarray:
    """||Q^T Q - I|| in the Frobenius norm of blocks Q [..., b, b]: float64 [...]."""
    q = np.asarray(blocks, np.float64)
    return np.linalg.norm(np.swapaxes(q, -1, -2) @ q - np.eye(q.shape[-1]), axis=(-2, -1))
