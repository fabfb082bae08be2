"""Between PyTorch tensors by name and our parameter tree, in both directions from one table."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hclip_jax.errors import UserError

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
    file: Mapping[str, np.ndarray],
    like: Any,
    where: str,
    leftover: Callable[[str], bool] = lambda name: False,
) -> Any:
    """Our tree, float32, from PyTorch tensors by name.

    Args:
        tensors: the table of the format.
        file: name -> array of any float dtype.
        like: our tree of anything with a shape.
        where: what the file is called in messages.
        leftover: says which names of the file hold nothing of use (masks, counters).

    Raises:
        UserError: a three-way difference: names only in the file, names only in the model, shapes that
            differ; or two names of one shared tensor that hold different values.
    """
    tensors = list(tensors)
    _check_names(tensors, file, where, leftover)
    flat = {path: np.zeros(leaf.shape, np.float32) for path, leaf in flatten(like).items()}
    for tensor in tensors:
        value = file[tensor.name]
        for alias in tensor.aliases:
            if alias in file and not np.array_equal(file[alias], value):
                raise UserError(
                    f"{where}: {alias} and {tensor.name} name one shared tensor but hold different "
                    f"values; the file is not of this model, or broken"
                )
        for part in tensor.parts:
            region = value[part.source]
            region = region if part.axes is None else region.transpose(part.axes)
            flat[part.leaf][part.at] = region
    return unflatten(flat)


def write(tensors: Iterable[Tensor], tree: Any) -> dict[str, np.ndarray]:
    """PyTorch tensors by name (aliases share memory) from our tree: the inverse of `read`."""
    flat, file = flatten(tree), {}
    for tensor in tensors:
        value = np.zeros(tensor.shape, np.float32)
        for part in tensor.parts:
            region = np.asarray(flat[part.leaf][part.at], np.float32)
            value[part.source] = region if part.axes is None else region.transpose(np.argsort(part.axes))
        file |= dict.fromkeys((tensor.name, *tensor.aliases), value)
    return file


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


def _check_names(
    tensors: list[Tensor],
    file: Mapping[str, np.ndarray],
    where: str,
    leftover: Callable[[str], bool],
) -> None:
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


def _listing(title: str, rows: list[str], most: int = 8) -> str:
    more = [f"... and {len(rows) - most} more"] if len(rows) > most else []
    return "".join(f"\n  {title}: {row}" for row in rows[:most] + more)
