"""Tensors that stay on disk until their values are asked for."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_MOST_DIMENSIONS = 64  # NumPy's own limit
_MOST_EMPTY = 2**31  # a tensor without values may still claim lengths: (0, 512)


@dataclass(frozen=True)
class LazyArray:
    """A tensor that is still on disk: its shape and dtype are known, its values are read when asked for.

    Attributes:
        shape: its lengths.
        dtype: its native dtype; bfloat16 is ml_dtypes.bfloat16.
        load: reads the values: a C-contiguous array [*shape], maybe read-only; raises UserError if the file
            is broken.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    load: Callable[[], np.ndarray]

    @classmethod
    def of(cls, array: np.ndarray) -> "LazyArray":
        """An array that is in memory already, to stand beside others that are not."""
        return cls(array.shape, array.dtype, lambda: array)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a stored tensor is read from disk, which is a copy; ask without copy=False")
        return np.array(self.load(), dtype, copy=copy)


def strided(
    read: Callable[[], bytes],
    dtype: np.dtype,
    numel: int,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
) -> LazyArray:
    """A view of a flat storage, as PyTorch describes its tensors.

    Args:
        read: reads the storage, numel * dtype.itemsize bytes.
        dtype: of the storage.
        numel: length of the storage, in values.
        offset: where the first value lies, in values.
        shape: the lengths of the view.
        strides: from one value to the next along each axis, in values.

    Raises:
        ValueError: the view reaches outside its storage, has more values than it, or is no view at all.
    """
    counts = (offset, *shape, *strides)
    if any(type(n) is not int or n < 0 for n in counts) or not len(shape) == len(strides) <= _MOST_DIMENSIONS:
        raise ValueError("a tensor's shape, strides or offset are not fitting lists of counts")
    if 0 in shape:
        fits = offset <= numel and math.prod(n or 1 for n in shape) <= _MOST_EMPTY
    else:
        last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
        fits = last < numel and math.prod(shape) <= numel
    if not fits:
        raise ValueError(f"a tensor of shape {shape} reaches outside its storage of {numel} values")
    size = dtype.itemsize
    # The stride of an axis of length one says nothing and may be any number.
    steps = tuple(stride * size if n > 1 else 0 for n, stride in zip(shape, strides, strict=True))

    def load() -> np.ndarray:
        if 0 in shape:
            return np.empty(shape, dtype)
        storage = read()
        view = np.ndarray(shape, dtype, storage, offset * size, steps)
        whole = view.flags.c_contiguous and view.nbytes == len(storage)
        return view if whole else view.copy()

    return LazyArray(shape, dtype, load)
