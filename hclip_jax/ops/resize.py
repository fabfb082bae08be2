"""Resampling that equals PyTorch's `interpolate`, so that published results can be reproduced.

All functions but `bilinear_align_corners` are half-pixel (`align_corners=False`), and none antialiases. Each
is two small matrix products along the two image axes, except `gather_bilinear`, which gathers, and
`upsample_maps`, which does either.
"""

from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from hclip_jax.ops import backend
from hclip_jax.ops.precision import FLOAT32
from hclip_jax.ops.types import AnyArray

ArrayT = TypeVar("ArrayT", Array, np.ndarray)


def bilinear(
    x: Float[AnyArray, "..."],
    size: tuple[int, int],
    axes: tuple[int, int],
    precision: jax.lax.Precision = FLOAT32,
) -> Float[Array, "..."]:
    """Resizes `axes` of `x`, the height and the width of the image, to `size`: bilinear, half-pixel."""
    return _half_pixel(x, size, axes, "bilinear", precision)


def bicubic(x: Float[AnyArray, "..."], size: tuple[int, int], axes: tuple[int, int]) -> Float[Array, "..."]:
    """Resizes `axes` of `x` to `size` with Keys' cubic kernel, a = -0.75, half-pixel."""
    return _half_pixel(x, size, axes, "bicubic-pytorch", FLOAT32)


def upsample_maps(x: Float[Array, "n h w"], size: tuple[int, int]) -> Float[Array, "n H W"]:
    """`bilinear` of n maps.

    A product with a matrix of zeros and two weights a row suits a matrix unit. On a CPU it is taken for the
    columns only; rows are gathered, which takes half the time in all.
    """
    if not backend.on_cpu():
        return bilinear(x, size, axes=(1, 2))
    rows, columns = (bilinear_weights(new, old) for new, old in zip(size, x.shape[1:], strict=True))
    matrix = np.zeros((x.shape[2], size[1]), np.float32)
    new = np.arange(size[1])
    matrix[columns.low, new] += 1 - columns.weight
    matrix[columns.high, new] += columns.weight
    y = jnp.einsum("nhw,wW->nhW", x, jnp.asarray(matrix, x.dtype), precision=FLOAT32)
    weight = jnp.asarray(rows.weight[None, :, None], x.dtype)
    return y[:, rows.low] * (1 - weight) + y[:, rows.high] * weight


def bilinear_align_corners(
    x: Float[AnyArray, "*batch h w C"], size: tuple[int, int]
) -> Float[Array, "*batch H W C"]:
    """Resizes the grid h x w to `size` = (H, W), bilinear; corner pixels stay corner pixels."""
    if x.shape[-3:-1] == size:
        return jnp.asarray(x)
    height, width = (
        jnp.asarray(_align_corners_matrix(n, m), x.dtype) for n, m in zip(size, x.shape[-3:-1], strict=True)
    )
    return jnp.einsum("Hh,Ww,...hwC->...HWC", height, width, x, precision=FLOAT32)


def _half_pixel(
    x: AnyArray, size: tuple[int, int], axes: tuple[int, int], method: str, precision: jax.lax.Precision
) -> Array:
    shape = list(x.shape)
    for axis, length in zip(axes, size, strict=True):
        shape[axis] = length
    if tuple(shape) == x.shape:
        return jnp.asarray(x)
    return jax.image.resize(x, shape, method, antialias=False, precision=precision)


def _align_corners_matrix(new: int, old: int) -> np.ndarray:
    """Interpolation weights [new, old] of one axis."""
    position = np.linspace(0.0, old - 1.0, new)
    return np.maximum(0.0, 1.0 - np.abs(position[:, None] - np.arange(old)))


class BilinearWeights(NamedTuple):
    """Bilinear resampling of one axis to `new` samples, each a weighted mean of two neighbours.

    Attributes:
        low: int32 [new], index of the first neighbour.
        high: int32 [new], index of the second.
        weight: float32 [new], weight of the second; the first has 1 - weight.
    """

    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray


def bilinear_weights(new: int, old: int, padded: int = 0) -> BilinearWeights:
    """Half-pixel weights from `old` to `new` samples; `padded` > new repeats the last up to that length."""
    position = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    position = np.pad(position, (0, max(0, padded - new)), mode="edge")
    low = np.floor(position).astype(np.int32)
    return BilinearWeights(low, np.minimum(low + 1, old - 1), (position - low).astype(np.float32))


def gather_bilinear(
    x: Float[ArrayT, "*batch h w"], rows: BilinearWeights, columns: BilinearWeights
) -> Float[ArrayT, "*batch H W"]:
    """`x` resampled to H rows and W columns; NumPy arrays give a NumPy array.

    The result is that of `bilinear`, with the size in the data and not in the program: images of all sizes
    share one compiled program once their weights are padded to the same length.
    """
    expand = (None,) * (x.ndim - 1)
    # Columns first: gathering whole rows is fast, so single values are gathered while there are fewer rows.
    weight = columns.weight[(*expand, slice(None))]
    y: Any = x[..., columns.low] * (1 - weight) + x[..., columns.high] * weight
    weight = rows.weight[(*expand[:-1], slice(None), None)]
    return y[..., rows.low, :] * (1 - weight) + y[..., rows.high, :] * weight
