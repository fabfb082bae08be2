"""Arrays by name from a weights file of any format, and the config.json beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from hclip_jax.errors import UserError, some
from hclip_jax.io.copies import local_copy
from hclip_jax.io.json_file import read_json
from hclip_jax.io.paths import exists_or_link, size_of
from hclip_jax.io.substitutes import check_file
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.safetensors_file import read_safetensors
from hclip_jax.weights.sharded import INDEX_SUFFIX, read_sharded
from hclip_jax.weights.torch_zip.reader import opaque_names, read_torch, tensors_by_name
from hclip_jax.weights.wrappers import find_state_dict, unwrap

WEIGHT_NAMES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_pytorch_model.bin",
)
CONFIG_NAMES = ("config.json", "open_clip_config.json")


@dataclass(frozen=True)
class WeightFile:
    """A weights file.

    Attributes:
        path: the file.
        tensors: name -> array, without the names of wrappers.
        is_torchscript: whether it is a TorchScript archive, OpenAI's format.
        hf_config: the parsed config.json beside the file; empty if there is none.
        config_names: the file of each group of fields in `hf_config`.
        origin: the state dict that was taken and the prefix that was removed; "" if there was no choice.
        objects: names of the classes of objects beside the weights, which were not read.
        size: bytes of the file, or of all files of an index; 0 if unknown.
    """

    path: Path
    tensors: Mapping[str, LazyArray]
    is_torchscript: bool
    hf_config: Mapping[str, Any]
    config_names: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    objects: tuple[str, ...] = ()
    size: int = 0


class _Content(NamedTuple):
    """The content of one file."""

    tensors: Mapping[str, LazyArray]
    is_torchscript: bool = False
    origin: str = ""
    objects: tuple[str, ...] = ()


def open_weights(path: Path) -> WeightFile:
    """Opens a weights file without loading values.

    Args:
        path: a safetensors file, a file in PyTorch's zip format (.pt, .pth, .bin), or the .index.json of
            several such files, into which Hugging Face splits large models; or a folder with one of these,
            as downloaded.

    Raises:
        UserError: there is no such file, or it cannot be read, or it holds no weights or those of several
            models.
    """
    if path.is_dir():
        path = _find_weights(path)
    check_file(path, "give a weights file, or the folder it lies in")
    size = 0

    def read(file: Path) -> _Content:
        nonlocal size
        content = _read_content(file)
        size += size_of(file)
        return content

    if path.name.endswith(INDEX_SUFFIX):
        content = _Content(read_sharded(path, lambda shard: read(shard).tensors))
    else:
        content = read(path)
    if not content.tensors:
        beside = f" but objects of {some(content.objects)}" if content.objects else ""
        raise UserError(f"{path} holds no tensors{beside}; give a file with the model's state_dict()")
    tensors, prefix = unwrap(content.tensors, str(path))
    origin = content.origin + (f" without {prefix}" if prefix else "")
    config, names = _read_config(path.parent)
    return WeightFile(path, tensors, content.is_torchscript, config, names, origin, content.objects, size)


def _find_weights(folder: Path) -> Path:
    try:
        present = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise UserError(
            f"{folder} cannot be read ({error.strerror}); give the weights file itself"
        ) from error
    for name in WEIGHT_NAMES:
        if name in present:
            return folder / name
    raise UserError(f"{folder} holds none of {', '.join(WEIGHT_NAMES)}; give the weights file itself")


def _read_content(path: Path) -> _Content:
    check_file(path, "give a weights file")
    path = local_copy(path)
    if _is_safetensors(path):
        return _Content(read_safetensors(path))
    content, is_torchscript = read_torch(path)
    try:
        state_dict, origin = find_state_dict(content, str(path))
        return _Content(tensors_by_name(state_dict), is_torchscript, origin, opaque_names(content))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _is_safetensors(path: Path) -> bool:
    """Whether a file has the suffix, or starts with the 64-bit length of a JSON header and a "{"."""
    with path.open("rb") as file:
        start = file.read(9)
    return path.suffix == ".safetensors" or (start[8:] == b"{" and start[4:8] == bytes(4))


def _read_config(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields of both configuration files: repositories have one for transformers and one for OpenCLIP.

    Returns:
        The fields, and the file that each is from.
    """
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name in CONFIG_NAMES:
        path = folder / name
        if not exists_or_link(path):
            continue
        config = read_json(path, "download it again")
        if isinstance(config, dict):
            fields |= config
            names |= dict.fromkeys(config, name)
    return fields, names
