"""Between PyTorch tensors by name and our parameter tree, in both directions from one table."""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.weights.lazy_array import LazyArray

Index = tuple[Any, ...]


@dataclass(frozen=True)
class Part:
    """A region of a PyTorch tensor that is, its axes permuted, a region of one of our leaves."""

    leaf: str  # path in our tree, "clip/image/blocks/norm1/scale"
    at: Index = ()  # our leaf's region, e.g. (layer,)
    axes: tuple[int, ...] | None = None  # permutation from PyTorch's axes to ours; None = the same
    source: Index = ()  # the PyTorch tensor's region


@dataclass(frozen=True)
class Tensor:
    """One PyTorch tensor: its name, shape, what it holds, and other names of the same tensor."""

    name: str
    shape: tuple[int, ...]
    parts: tuple[Part, ...]
    aliases: tuple[str, ...] = field(default=())


def read(
    tensors: Iterable[Tensor],
    file: Mapping[str, Any],
    like: Any,
    where: str,
    leftover: Callable[[str], bool] = lambda name: False,
) -> Any:
    """Our tree, float32, from PyTorch tensors by name.

    Args:
        tensors: the table of the format.
        file: name -> array of any float dtype, or `LazyArray`.
        like: our tree of anything with a shape.
        where: what the file is called in messages.
        leftover: says which names of the file hold nothing of use (masks, counters).

    Raises:
        UserError: what `check` and `leaves` refuse.
    """
    tensors = list(tensors)
    check(tensors, file, where, leftover)
    made = leaves(tensors, file, like, where)
    return unflatten({path: np.asarray(leaf.load(), np.float32) for path, leaf in made.items()})


def leaves(tensors: Iterable[Tensor], file: Mapping[str, Any], like: Any, where: str) -> dict[str, LazyArray]:
    """Leaves of our tree by path, each made from its PyTorch tensors when it is asked for.

    Args:
        tensors: the table of the format, which `check` found to fit.
        file: name -> array of any float dtype, or `LazyArray`.
        like: our tree of anything with a shape.
        where: what the file is called in messages.

    Returns:
        Leaves in the file's own dtype. Loading one raises UserError if it holds values that are not
        finite.
    """
    sources: dict[str, list[tuple[Tensor, Part]]] = {path: [] for path in flatten(like)}
    for tensor in tensors:
        for part in tensor.parts:
            sources[part.leaf].append((tensor, part))
    made = {}
    for path, leaf in flatten(like).items():
        own = sources[path]
        dtype = np.result_type(*(file[tensor.name].dtype for tensor, _ in own))
        load = functools.partial(_assemble, own, file, tuple(leaf.shape), dtype, where)
        made[path] = LazyArray(tuple(leaf.shape), dtype, load)
    return made


def _assemble(
    sources: list[tuple[Tensor, Part]], file: Mapping[str, Any], shape: Index, dtype: np.dtype, where: str
) -> np.ndarray:
    leaf = np.zeros(shape, dtype)
    name, value = "", leaf
    for tensor, part in sources:
        if tensor.name != name:  # parts of one tensor follow each other: it is read once
            name, value = tensor.name, np.asarray(file[tensor.name])
            if not np.isfinite(value).all():
                raise UserError(f"{where}: {name} holds values that are not finite; the file is broken")
        region = value[part.source]
        leaf[part.at] = region if part.axes is None else region.transpose(part.axes)
    return leaf


def write(tensors: Iterable[Tensor], tree: Any) -> dict[str, LazyArray]:
    """PyTorch tensors by name, aliases included, from our tree: the inverse of `leaves`.

    The tree's leaves may be arrays or `LazyArray`. A tensor is made when it is asked for, in its leaf's dtype.
    """
    flat, file = flatten(tree), {}
    for tensor in tensors:
        dtype = np.dtype(flat[tensor.parts[0].leaf].dtype)
        made = LazyArray(tensor.shape, dtype, functools.partial(_disassemble, tensor, flat, dtype))
        file |= dict.fromkeys((tensor.name, *tensor.aliases), made)
    return file


def _disassemble(tensor: Tensor, flat: Mapping[str, Any], dtype: np.dtype) -> np.ndarray:
    value = np.zeros(tensor.shape, dtype)
    for part in tensor.parts:
        region = np.asarray(flat[part.leaf])[part.at]
        value[part.source] = region if part.axes is None else region.transpose(np.argsort(part.axes))
    return value


def flatten(tree: Any, path: str = "") -> dict[str, Any]:
    """Leaves of nested dicts by path, "a/b/c"."""
    if not isinstance(tree, Mapping):
        return {path: tree}
    leaves: dict[str, Any] = {}
    for name, branch in tree.items():
        leaves |= flatten(branch, f"{path}/{name}" if path else name)
    return leaves


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Nested dicts from leaves by path: the inverse of `flatten`."""
    tree: dict[str, Any] = {}
    for path, leaf in flat.items():
        *branches, name = path.split("/")
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        node[name] = leaf
    return tree


def check(
    tensors: Iterable[Tensor],
    file: Mapping[str, Any],
    where: str,
    leftover: Callable[[str], bool] = lambda name: False,
) -> None:
    """Checks that the tensors of a file are those of a model.

    Raises:
        UserError: a three-way difference: names only in the file, names only in the model, shapes that
            differ; a tensor of no float dtype; or two names of one shared tensor with different values.
    """
    tensors = list(tensors)
    known = {name for tensor in tensors for name in (tensor.name, *tensor.aliases)}
    only_file = sorted(name for name in file if name not in known and not leftover(name))
    only_model = sorted(tensor.name for tensor in tensors if tensor.name not in file)
    differ = [
        f"{t.name} {tuple(file[t.name].shape)} in the file, {t.shape} in the model"
        for t in tensors
        if t.name in file and tuple(file[t.name].shape) != t.shape
    ]
    if only_file or only_model or differ:
        raise UserError(
            f"{where} does not fit the model"
            + _listing("only in the file", only_file)
            + _listing("only in the model", only_model)
            + _listing("shape differs", differ)
        )
    for tensor in tensors:
        dtype = file[tensor.name].dtype
        if not jnp.issubdtype(dtype, jnp.floating):  # NumPy does not know bfloat16 as a float
            raise UserError(f"{where}: {tensor.name} is {dtype}, but weights are floating-point numbers")
        _check_aliases(tensor, file, where)


def _check_aliases(tensor: Tensor, file: Mapping[str, Any], where: str) -> None:
    others = [alias for alias in tensor.aliases if alias in file and file[alias] is not file[tensor.name]]
    if not others:
        return
    value = np.asarray(file[tensor.name])
    for alias in others:
        if not np.array_equal(np.asarray(file[alias]), value):
            raise UserError(
                f"{where}: {alias} and {tensor.name} name one shared tensor but hold different "
                f"values; the file is not of this model, or broken"
            )


def _listing(title: str, rows: list[str], most: int = 8) -> str:
    more = [f"... and {len(rows) - most} more"] if len(rows) > most else []
    return "".join(f"\n  {title}: {row}" for row in rows[:most] + more)
