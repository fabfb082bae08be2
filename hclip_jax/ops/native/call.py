"""Whether native kernels are used, their operands, and the call of one."""

import functools
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


def usable(dtype: Any, *channels: int | float) -> bool:
    """Whether the kernels are used here for activations of `dtype` with such numbers of channels.

    Channels a head are given as a quotient: one that is not whole fits no kernel.
    """
    return (
        backend.on_cpu()
        and backend.kernels_enabled()
        and dtype == jnp.float32
        and all(c and c % GRANULE == 0 for c in channels)
        and library.lanes() > 0
    )


def operand(x: Any, shape: tuple[int, ...]) -> Array:
    """An array as float32 of `shape`: a kernel reads as many floats as its sizes say, whatever comes."""
    return jnp.broadcast_to(jnp.asarray(x).astype(jnp.float32), shape)


def norm_shapes(norm: str, channels: int) -> dict[str, tuple[int, ...]]:
    """Scale and bias of a normalization, for `operands_of`."""
    return {f"{norm}/scale": (channels,), f"{norm}/bias": (channels,)}


def mlp_shapes(channels: int) -> dict[str, tuple[int, ...]]:
    """The norm before an MLP, and its two layers, for `operands_of`."""
    hidden = 4 * channels
    fc1 = {"fc1/kernel": (channels, hidden), "fc1/bias": (hidden,)}
    fc2 = {"fc2/kernel": (hidden, channels), "fc2/bias": (channels,)}
    return {**norm_shapes("norm2", channels), **fc1, **fc2}


def operands_of(params: Any, shapes: dict[str, tuple[int, ...]]) -> tuple[Array, ...]:
    """Parameters of a module by their paths.

    Raises:
        ValueError: one has another shape.
    """
    arrays = []
    for path, shape in shapes.items():
        array = functools.reduce(lambda tree, name: tree[name], path.split("/"), params)
        if array.shape != shape:
            raise ValueError(
                f"the parameter {path} has the shape {array.shape}, and its module needs {shape}; give the "
                "parameters of a module with these sizes"
            )
        arrays.append(operand(array, shape))
    return tuple(arrays)


def call_kernel(
    target: str,
    shapes: Sequence[tuple[int, ...]],
    operands: tuple[Array, ...],
    attributes: dict[str, int],
    in_place: bool = False,
) -> list[Array]:
    """Calls a kernel for results of `shapes`, all float32.

    `in_place`: the first result may replace the first operand, if that is not used later.

    Raises:
        ValueError: later, where the call itself is differentiated.
    """
    call = jax.ffi.ffi_call(
        library.name_in_programs(target),
        [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes],
        vmap_method="sequential",
        input_output_aliases={0: 0} if in_place else None,
    )
    numbers = {name: np.int64(value) for name, value in attributes.items()}

    @jax.custom_jvp
    def run(*operands: Array) -> list[Array]:
        return list(call(*operands, lanes=np.int64(library.lanes()), **numbers))

    @run.defjvp
    def refuse(*_: Any) -> Any:
        raise ValueError(
            f"the native kernel {target} has no derivative; trace what is differentiated under "
            "`with hclip_jax.ops.backend.use_kernels(False)`"
        )

    return run(*operands)


def split_like(flat: Array, arrays: Sequence[Array]) -> tuple[Array, ...]:
    """Arrays of the given shapes from a kernel's result that has all of them, one after another."""
    ends = np.cumsum([a.size for a in arrays])
    return tuple(
        flat[end - a.size : end].reshape(a.shape) for end, a in zip(ends.tolist(), arrays, strict=True)
    )
