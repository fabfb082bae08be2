"""Tensors by name from whatever file weights come in, and the settings that lie beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hclip_jax.errors import UserError
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.safetensors_file import read_safetensors
from hclip_jax.weights.sharded import INDEX, read_sharded
from hclip_jax.weights.torch_zip.reader import read_torch, tensors_by_name

_IN_FOLDER = (
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_pytorch_model.bin",
)
_SETTINGS = ("config.json", "open_clip_config.json")
# Where training programs keep the weights among other things: detectron2, OpenCLIP.
_NESTS = ("model", "state_dict")


@dataclass(frozen=True)
class WeightFile:
    """A file of weights."""

    path: Path
    tensors: Mapping[str, LazyArray]
    scripted: bool  # a TorchScript archive, as OpenAI publishes them
    settings: Mapping[str, Any]  # of the JSON file beside it; empty if there is none


def open_weights(path: Path) -> WeightFile:
    """Opens a weights file, or the one in a folder as it is downloaded. Values stay on disk.

    Args:
        path: safetensors, PyTorch's zip format (.pt, .pth, .bin), or the .index.json of such files, as
            Hugging Face splits large models; or a folder with one of these and its config.json.

    Raises:
        UserError: there is no such file, or it cannot be read.
    """
    if path.is_dir():
        path = _in_folder(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist; give a file of weights, or the folder it lies in")
    if path.name.endswith(INDEX):
        tensors, scripted = read_sharded(path, lambda shard: _tensors(shard)[0]), False
    else:
        tensors, scripted = _tensors(path)
    if not tensors:
        raise UserError(f"{path} holds no tensors; give a file of weights")
    # What data-parallel training puts before every name.
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return WeightFile(path, tensors, scripted, _settings(path.parent))


def _tensors(path: Path) -> tuple[dict[str, LazyArray], bool]:
    """The tensors of one file, and whether it is a TorchScript archive."""
    if _is_safetensors(path):
        return read_safetensors(path), False
    content, scripted = read_torch(path)
    for nest in _NESTS:
        if isinstance(content, dict) and isinstance(content.get(nest), dict):
            content = content[nest]
    return tensors_by_name(content), scripted


def _in_folder(folder: Path) -> Path:
    for name in _IN_FOLDER:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{folder} holds none of {', '.join(_IN_FOLDER)}; give the file of weights itself")


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins with the length of a JSON header and the header."""
    with path.open("rb") as file:
        start = file.read(9)
    return path.suffix == ".safetensors" or (start[8:] == b"{" and start[4:8] == bytes(4))


def _settings(folder: Path) -> Mapping[str, Any]:
    for name in _SETTINGS:
        path = folder / name
        if not path.is_file():
            continue
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f"{path} cannot be read as JSON ({error}); download it anew") from error
        if isinstance(settings, dict):
            return settings
    return {}
