"""Resampling as PyTorch's `interpolate` does it, so that published numbers can be met.

All of it is half-pixel (`align_corners=False`) and without antialias, except `bilinear_align_corners`.
Each is two small matrix products along the two picture axes, but for `sample`, which gathers.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def bilinear(x: Array, size: tuple[int, int], axes: tuple[int, int]) -> Array:
    """Resizes `axes` of `x` (the picture's height and width) to `size`, bilinear and half-pixel."""
    return _half_pixel(x, size, axes, "bilinear")


def bicubic(x: Array, size: tuple[int, int], axes: tuple[int, int]) -> Array:
    """Resizes `axes` of `x` to `size` with the cubic kernel of a = -0.75, half-pixel."""
    return _half_pixel(x, size, axes, "bicubic-pytorch")


def bilinear_align_corners(x: Array, size: tuple[int, int]) -> Array:
    """Resizes the axes h, w of `x` [..., h, w, C] to `size`; corner samples stay on corner samples."""
    height, width = (
        jnp.asarray(_align_corners_matrix(n, m), x.dtype) for n, m in zip(size, x.shape[-3:-1], strict=True)
    )
    return jnp.einsum("Hh,Ww,...hwC->...HWC", height, width, x)


def _half_pixel(x: Array, size: tuple[int, int], axes: tuple[int, int], method: str) -> Array:
    shape = list(x.shape)
    for axis, length in zip(axes, size, strict=True):
        shape[axis] = length
    if tuple(shape) == x.shape:
        return x
    return jax.image.resize(x, shape, method, antialias=False)


def _align_corners_matrix(new: int, old: int) -> np.ndarray:
    """Weights [new, old] of one axis."""
    position = np.linspace(0.0, old - 1.0, new)
    return np.maximum(0.0, 1.0 - np.abs(position[:, None] - np.arange(old)))


class BilinearWeights(NamedTuple):
    """For every output sample of one axis: the two input samples it lies between, and where."""

    low: np.ndarray  # int32 [new]
    high: np.ndarray  # int32 [new]
    weight: np.ndarray  # float32 [new], of `high`


def bilinear_weights(new: int, old: int, padded: int = 0) -> BilinearWeights:
    """Bilinear half-pixel sampling of an axis; `padded` > new repeats the last sample up to there."""
    position = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    position = np.pad(position, (0, max(0, padded - new)), mode="edge")
    low = np.floor(position).astype(np.int32)
    return BilinearWeights(low, np.minimum(low + 1, old - 1), (position - low).astype(np.float32))


def sample(x: Any, rows: BilinearWeights, columns: BilinearWeights) -> Any:
    """`x` [..., h, w] float32 at given rows and columns; NumPy in, NumPy out, likewise JAX.

    As `bilinear`, with the size in the data instead of the program: pictures of all sizes share one
    compiled form once their taps are padded to the same length.
    """
    expand = (None,) * (x.ndim - 1)
    # Columns first: gathering whole rows is quick, so single values are gathered where there are fewer.
    weight = columns.weight[(*expand, slice(None))]
    x = x[..., columns.low] * (1 - weight) + x[..., columns.high] * weight
    weight = rows.weight[(*expand[:-1], slice(None), None)]
    return x[..., rows.low, :] * (1 - weight) + x[..., rows.high, :] * weight
