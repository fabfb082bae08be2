"""Name tables: which region of which PyTorch tensor equals which region of which of our parameters."""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from hclip_jax.errors import UserError, printable
from hclip_jax.weights.lazy_array import LazyArray

Index = tuple[Any, ...]
Shape = tuple[int, ...]

_MAX_LISTED = 150  # letters of the names of one kind in an error message


@dataclass(frozen=True)
class Part:
    """A region of a PyTorch tensor that equals, with its axes permuted, a region of one of our parameters.

    Attributes:
        path: path of our parameter, "clip/image/blocks/norm1/scale".
        target_index: region of our parameter, e.g. (layer,); () is all of it.
        axes: permutation from PyTorch's axes to ours; None is the same order.
        source_index: region of the PyTorch tensor; () is all of it.
    """

    path: str
    target_index: Index = ()
    axes: tuple[int, ...] | None = None
    source_index: Index = ()


@dataclass(frozen=True)
class Tensor:
    """One PyTorch tensor.

    Attributes:
        name: name in the state dict.
        shape: shape in PyTorch's order of axes.
        parts: the regions of our parameters it consists of.
        aliases: other names under which the state dict holds the same tensor.
    """

    name: str
    shape: Shape
    parts: tuple[Part, ...]
    aliases: tuple[str, ...] = ()


def check(
    tensors: Iterable[Tensor],
    file: Mapping[str, Any],
    where: str,
    is_buffer: Callable[[str], bool] = lambda name: False,
) -> None:
    """Checks that a file holds the tensors of a table and no others.

    Args:
        tensors: the name table of the format.
        file: name -> array or `LazyArray`.
        where: name of the file in messages.
        is_buffer: whether a name of the file is a buffer (mask, counter, size), which is ignored.

    Raises:
        UserError: names differ or shapes differ (the message lists names only in the file, names only in the
            model and shapes that differ); a dtype is not floating-point; or names of one shared tensor hold
            different values.
    """
    tensors = list(tensors)
    known = {name for tensor in tensors for name in (tensor.name, *tensor.aliases)}
    only_file = sorted(printable(name) for name in file if name not in known and not is_buffer(name))
    only_model = sorted(tensor.name for tensor in tensors if tensor.name not in file)
    differ = [
        f"{t.name} {tuple(file[t.name].shape)} in the file, {t.shape} in the model"
        for t in tensors
        if t.name in file and tuple(file[t.name].shape) != t.shape
    ]
    if only_file or only_model or differ:
        raise UserError(
            f"{where} does not fit the model"
            + _listed("only in the file", only_file)
            + _listed("only in the model", only_model)
            + _listed("shape differs", differ)
            + "; give a file with all tensors of one model and no others"
        )
    for tensor in tensors:
        dtype = file[tensor.name].dtype
        if not jnp.issubdtype(dtype, jnp.floating):  # NumPy does not know that bfloat16 is floating-point
            raise UserError(f"{where}: {tensor.name} is {dtype}; weights must be floating-point numbers")
        _check_aliases(tensor, file, where)


def read(
    tensors: Iterable[Tensor], file: Mapping[str, Any], shapes: Mapping[str, Shape], where: str
) -> dict[str, LazyArray]:
    """Our parameters by path, each assembled from its PyTorch tensors when it is loaded.

    Args:
        tensors: the name table of the format; `check` has accepted the file.
        file: name -> array of any float dtype, or `LazyArray`.
        shapes: shapes of our parameters by path.
        where: name of the file in messages.

    Returns:
        Path -> `LazyArray` in the dtype of the file. Loading one raises UserError if a value is not finite.
    """
    sources: dict[str, list[tuple[Tensor, Part]]] = {path: [] for path in shapes}
    for tensor in tensors:
        for part in tensor.parts:
            sources[part.path].append((tensor, part))
    params = {}
    for path, shape in shapes.items():
        dtype = np.result_type(*(file[tensor.name].dtype for tensor, _ in sources[path]))
        load = functools.partial(_assemble, sources[path], file, shape, dtype, where)
        params[path] = LazyArray(shape, dtype, load)
    return params


def write(tensors: Iterable[Tensor], params: Mapping[str, Any]) -> dict[str, LazyArray]:
    """PyTorch tensors by name, aliases included: the inverse of `read`.

    Args:
        tensors: the name table of the format.
        params: path -> array or `LazyArray`.

    Returns:
        Name -> `LazyArray`, which is assembled when it is loaded, in the dtype of its first parameter.
    """
    file = {}
    for tensor in tensors:
        dtype = np.dtype(params[tensor.parts[0].path].dtype)
        lazy = LazyArray(tensor.shape, dtype, functools.partial(_disassemble, tensor, params, dtype))
        file |= dict.fromkeys((tensor.name, *tensor.aliases), lazy)
    return file


def _listed(title: str, rows: list[str]) -> str:
    """Up to three rows that take one line, and the number of all."""
    shown = rows[:3]
    while len(shown) > 1 and sum(map(len, shown)) > _MAX_LISTED:
        shown.pop()
    rest = f", ... ({len(rows):,} in all)" if len(rows) > len(shown) else ""
    return f"; {title}: {', '.join(shown)}{rest}" if rows else ""


def _check_aliases(tensor: Tensor, file: Mapping[str, Any], where: str) -> None:
    copies = [alias for alias in tensor.aliases if alias in file and file[alias] is not file[tensor.name]]
    if not copies:
        return
    value = np.asarray(file[tensor.name])
    for alias in copies:
        if not np.array_equal(np.asarray(file[alias]), value):
            raise UserError(
                f"{where}: {alias} and {tensor.name} are names of one shared tensor but hold different "
                f"values; the file is of another model, or broken"
            )


def _assemble(
    sources: list[tuple[Tensor, Part]], file: Mapping[str, Any], shape: Shape, dtype: np.dtype, where: str
) -> np.ndarray:
    param = np.zeros(shape, dtype)
    name, value = "", param
    for tensor, part in sources:
        if tensor.name != name:  # parts of one tensor are neighbours, so each tensor is loaded once
            name, source = tensor.name, file[tensor.name]
            lazy = source if isinstance(source, LazyArray) else LazyArray.of(source)
            value = np.asarray(lazy.finite(f"{where}: {name}"))
        region = value[part.source_index]
        param[part.target_index] = region if part.axes is None else region.transpose(part.axes)
    return param


def _disassemble(tensor: Tensor, params: Mapping[str, Any], dtype: np.dtype) -> np.ndarray:
    value = np.zeros(tensor.shape, dtype)
    for part in tensor.parts:
        region = np.asarray(params[part.path])[part.target_index]
        value[part.source_index] = region if part.axes is None else region.transpose(np.argsort(part.axes))
    return value
