"""Arrays by name from a weights file of any format, and the config.json beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hclip_jax.errors import UserError
from hclip_jax.io.json_file import read_json
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.safetensors_file import read_safetensors
from hclip_jax.weights.sharded import INDEX_SUFFIX, read_sharded
from hclip_jax.weights.torch_zip.reader import read_torch, tensors_by_name

_WEIGHT_NAMES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_pytorch_model.bin",
)
_CONFIG_NAMES = ("config.json", "open_clip_config.json")
# Keys of the state dict in the training checkpoints of detectron2 and OpenCLIP.
_STATE_DICT_KEYS = ("model", "state_dict")


@dataclass(frozen=True)
class WeightFile:
    """A weights file.

    Attributes:
        path: the file.
        tensors: name -> array.
        is_torchscript: whether it is a TorchScript archive, OpenAI's format.
        hf_config: the parsed config.json beside the file; empty if there is none.
    """

    path: Path
    tensors: Mapping[str, LazyArray]
    is_torchscript: bool
    hf_config: Mapping[str, Any]


def open_weights(path: Path) -> WeightFile:
    """Opens a weights file without loading values.

    Args:
        path: a safetensors file, a file in PyTorch's zip format (.pt, .pth, .bin), or the .index.json of
            several such files, into which Hugging Face splits large models; or a folder with one of these,
            as downloaded.

    Raises:
        UserError: there is no such file, or it cannot be read.
    """
    if path.is_dir():
        path = _find_weights(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist; give a weights file, or the folder it lies in")
    if path.name.endswith(INDEX_SUFFIX):
        tensors, is_torchscript = read_sharded(path, lambda shard: _read_tensors(shard)[0]), False
    else:
        tensors, is_torchscript = _read_tensors(path)
    if not tensors:
        raise UserError(f"{path} holds no tensors; give a weights file")
    # PyTorch's DataParallel prefixes every name.
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return WeightFile(path, tensors, is_torchscript, _read_config(path.parent))


def _find_weights(folder: Path) -> Path:
    for name in _WEIGHT_NAMES:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{folder} holds none of {', '.join(_WEIGHT_NAMES)}; give the weights file itself")


def _read_tensors(path: Path) -> tuple[dict[str, LazyArray], bool]:
    """The arrays of one file by name, and whether it is a TorchScript archive."""
    if _is_safetensors(path):
        return read_safetensors(path), False
    content, is_torchscript = read_torch(path)
    for key in _STATE_DICT_KEYS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    return tensors_by_name(content), is_torchscript


def _is_safetensors(path: Path) -> bool:
    """Whether a file has the suffix, or starts with the 64-bit length of a JSON header and a "{"."""
    with path.open("rb") as file:
        start = file.read(9)
    return path.suffix == ".safetensors" or (start[8:] == b"{" and start[4:8] == bytes(4))


def _read_config(folder: Path) -> Mapping[str, Any]:
    """The fields of both configuration files: repositories have one for transformers and one for OpenCLIP."""
    fields: dict[str, Any] = {}
    for name in _CONFIG_NAMES:
        path = folder / name
        if not path.is_file():
            continue
        config = read_json(path, "download it again")
        if isinstance(config, dict):
            fields |= config
    return fields
