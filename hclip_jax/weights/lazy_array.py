"""Arrays whose values stay on disk until they are loaded."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LazyArray:
    """An array of known shape and dtype whose values are loaded on request, by `np.asarray` or `load`.

    Attributes:
        shape: its shape.
        dtype: its native dtype; bfloat16 is ml_dtypes.bfloat16.
        load: loads the values: a C-contiguous array [*shape], possibly read-only; raises UserError if the
            file is broken.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    load: Callable[[], np.ndarray]

    @classmethod
    def of(cls, array: np.ndarray) -> "LazyArray":
        """An array in memory as a `LazyArray`."""
        return cls(array.shape, array.dtype, lambda: array)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a lazy array is loaded from disk, which makes a copy; leave copy=False out")
        return np.array(self.load(), dtype, copy=copy)
