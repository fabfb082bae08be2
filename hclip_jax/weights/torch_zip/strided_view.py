"""PyTorch's tensors, which are strided views of a flat storage, as lazy arrays."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hclip_jax.weights.lazy_array import LazyArray

_MAX_DIMENSIONS = 64  # NumPy's limit
_MAX_EMPTY_SHAPE = 2**31  # product of the nonzero sizes of an empty tensor, such as (0, 512)


class View(NamedTuple):
    """An array and the number of bytes from its first value in the storage to its last."""

    array: LazyArray
    num_bytes: int


def strided_view(
    read: Callable[[int, int], bytes],
    dtype: np.dtype,
    numel: int,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
) -> View:
    """A view of a flat storage.

    Args:
        read: reads bytes of the storage, which has numel * dtype.itemsize; takes the first and the one after
            the last.
        dtype: dtype of the storage.
        numel: number of values in the storage.
        offset: index of the view's first value in the storage.
        shape: shape of the view.
        strides: distance between neighbours along each axis, in values.

    Raises:
        ValueError: the view is not inside its storage, has more values than it, or is not a view.
    """
    # The lengths first: a pickle may name a tuple of a million numbers for each of its tensors.
    is_view = len(shape) == len(strides) <= _MAX_DIMENSIONS
    if not is_view or not all(type(n) is int and n >= 0 for n in (offset, *shape, *strides)):
        raise ValueError("shape, strides and offset of a tensor must be whole numbers of 0 or more")
    last = offset - 1
    if 0 in shape:
        fits = offset <= numel and math.prod(n or 1 for n in shape) <= _MAX_EMPTY_SHAPE
    else:
        last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
        fits = last < numel and math.prod(shape) <= numel
    if not fits:
        raise ValueError(f"a tensor of shape {shape} is not inside its storage of {numel} values")
    itemsize = dtype.itemsize
    # The stride of an axis of size 1 has no meaning and may be any number.
    byte_strides = tuple(stride * itemsize if n > 1 else 0 for n, stride in zip(shape, strides, strict=True))

    def load() -> np.ndarray:
        if 0 in shape:
            return np.empty(shape, dtype)
        view = np.ndarray(shape, dtype, read(offset * itemsize, (last + 1) * itemsize), 0, byte_strides)
        return view if view.flags.c_contiguous else view.copy()

    return View(LazyArray(shape, dtype, load), (last + 1 - offset) * itemsize)
