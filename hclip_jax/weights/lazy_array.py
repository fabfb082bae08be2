"""Arrays whose values stay on disk until they are loaded."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hclip_jax.errors import UserError


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

    def finite(self, where: str) -> "LazyArray":
        """The same array, whose loading raises UserError if a value is not finite in float32.

        Args:
            where: name of the array in the message.
        """

        def load() -> np.ndarray:
            values = self.load()
            with np.errstate(over="ignore"):
                is_finite = np.isfinite(values.astype(np.float32) if values.itemsize > 4 else values).all()
            if not is_finite:
                raise UserError(
                    f"{where} holds values that are not finite; give the weights of a training that converged"
                )
            return values

        return LazyArray(self.shape, self.dtype, load)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a lazy array is loaded from disk, which makes a copy; leave copy=False out")
        return np.array(self.load(), dtype, copy=copy)
