"""Weights in several files, Hugging Face's format for large models: an index names each tensor's file."""

import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from hclip_jax.errors import UserError, printable
from hclip_jax.io.json_file import read_json
from hclip_jax.io.paths import exists_or_link
from hclip_jax.weights.lazy_array import LazyArray

INDEX_SUFFIX = ".index.json"


def read_sharded(path: Path, read: Callable[[Path], Mapping[str, LazyArray]]) -> dict[str, LazyArray]:
    """Arrays by name that an index lists; values are not loaded.

    Args:
        path: the index, such as model.safetensors.index.json; its files lie in the same folder.
        read: reads one of its files.

    Raises:
        UserError: the index cannot be read; one of its files is missing, cannot be read, or lacks a tensor;
            or it names a file of another folder.
    """
    weight_map = _read_weight_map(path)
    shards: dict[str, Mapping[str, LazyArray]] = {}
    for shard in sorted(set(weight_map.values())):
        file = path.parent / shard
        if not exists_or_link(file):
            raise UserError(
                f"{path} needs {printable(shard)}, which is not beside it; download that file too"
            )
        shards[shard] = read(file)
    for name, shard in weight_map.items():
        if name not in shards[shard]:
            raise UserError(
                f"{path} lists {printable(name)} in {printable(shard)}, which does not hold it; download "
                f"both files again"
            )
    return {name: shards[shard][name] for name, shard in weight_map.items()}


def _read_weight_map(path: Path) -> dict[str, str]:
    """The file name of each tensor."""
    index = read_json(path, "download it again")
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict):
        raise UserError(f"{path}: weight_map must map tensors to files; download the index again")
    for name, shard in weight_map.items():
        if not isinstance(shard, str) or not _is_plain_name(shard):
            raise UserError(
                f"{path}: the file of {printable(name)} is {reprlib.repr(shard)}, which is not a file name; "
                f"download the index again"
            )
    return weight_map


def _is_plain_name(name: str) -> bool:
    """Whether a name is a file name without folders, on every operating system."""
    return (
        name not in ("", "..")
        and name.isprintable()
        and name == PurePosixPath(name).name == PureWindowsPath(name).name
    )
