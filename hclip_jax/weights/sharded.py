"""Weights in several files, as Hugging Face splits large models: an index says which tensor lies where."""

import json
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from hclip_jax.errors import UserError, shown
from hclip_jax.weights.lazy_array import LazyArray

INDEX = ".index.json"


def read_sharded(path: Path, read: Callable[[Path], Mapping[str, LazyArray]]) -> dict[str, LazyArray]:
    """The tensors by name that an index lists; their values stay on disk.

    Args:
        path: the index, such as model.safetensors.index.json; its files lie beside it.
        read: reads one of them.

    Raises:
        UserError: the index cannot be read; one of its files is missing, cannot be read, or lacks a tensor;
            or it names a file in another folder.
    """
    places = _places(path)
    shards: dict[str, Mapping[str, LazyArray]] = {}
    for shard in sorted(set(places.values())):
        file = path.parent / shard
        if not file.is_file():
            raise UserError(f"{path} needs {shown(shard)}, which is not beside it; download that file too")
        shards[shard] = read(file)
    for name, shard in places.items():
        if name not in shards[shard]:
            raise UserError(
                f"{path} says that {path.parent / shard} holds {shown(name)}, which it does not; download "
                f"both anew"
            )
    return {name: shards[shard][name] for name, shard in places.items()}


def _places(path: Path) -> dict[str, str]:
    """The file name of each tensor."""
    try:
        places = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        reason = shown(str(error))
        raise UserError(
            f"{path} cannot be read as an index of weights ({reason}); download it anew"
        ) from error
    if not isinstance(places, dict):
        raise UserError(f"{path}: weight_map is no table of tensors and files; download it anew")
    for name, shard in places.items():
        if not isinstance(shard, str) or not _is_plain(shard):
            raise UserError(
                f"{path}: {shown(name)} lies in {reprlib.repr(shard)}, which is no file name; download the "
                f"index anew"
            )
    return places


def _is_plain(name: str) -> bool:
    """Whether it names a file of the index's own folder on every system."""
    return (
        bool(name) and name.isprintable() and name == PurePosixPath(name).name == PureWindowsPath(name).name
    )
