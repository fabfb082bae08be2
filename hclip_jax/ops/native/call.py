"""Whether native kernels are used, their parameters, and the call of one."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hclip_jax.ops import backend
from hclip_jax.ops.native import library

GRANULE = 32
"""The kernels multiply matrices 32 columns at a time."""


def usable(dtype: Any, *channels: int) -> bool:
    """Whether the kernels are used here for activations of `dtype` with such numbers of channels."""
    return (
        backend.on_cpu()
        and backend.kernels_enabled()
        and dtype == jnp.float32
        and all(c and c % GRANULE == 0 for c in channels)
        and library.lanes() > 0
    )


def norm_params(params: Any) -> tuple[Array, Array]:
    """Scale and bias of a normalization."""
    return params["scale"], params["bias"]


def mlp_params(params: Any) -> tuple[Array, ...]:
    """The norm before an MLP, and its two layers."""
    return (
        *norm_params(params["norm2"]),
        *(params[name][part] for name in ("fc1", "fc2") for part in ("kernel", "bias")),
    )


def call_kernel(
    target: str,
    shapes: Sequence[tuple[int, ...]],
    operands: tuple[Any, ...],
    attributes: dict[str, int],
    in_place: bool = False,
) -> list[Array]:
    """Calls a kernel for results of `shapes`, all float32.

    `in_place`: the first result may replace the first operand, if that is not used later.
    """
    call = jax.ffi.ffi_call(
        library.name_in_programs(target),
        [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes],
        vmap_method="sequential",
        input_output_aliases={0: 0} if in_place else None,
    )
    numbers = {name: np.int64(value) for name, value in attributes.items()}
    return list(call(*operands, lanes=np.int64(library.lanes()), **numbers))


def split_like(flat: Array, arrays: Sequence[Array]) -> tuple[Array, ...]:
    """Arrays of the given shapes from a kernel's result that has all of them, one after another."""
    ends = np.cumsum([a.size for a in arrays])
    return tuple(
        flat[end - a.size : end].reshape(a.shape) for end, a in zip(ends.tolist(), arrays, strict=True)
    )
