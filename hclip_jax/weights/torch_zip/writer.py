"""Writes state dicts in PyTorch's zip format without PyTorch."""

import math
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.io.files import replace_atomically
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.torch_zip.objects import STORAGES

_STORAGE_NAMES = {dtype: name.removeprefix("torch.") for name, dtype in STORAGES.items()}
_FOLDER = "archive/"
_ALIGNMENT = 64  # bytes, so that PyTorch can map a storage into memory
_VERSION = b"3\n"  # of the format since PyTorch 1.6

# A zip entry's header: 30 bytes, the name, then extra fields (id, length, content): 20 bytes with 64-bit
# sizes, then PyTorch's padding.
_HEADER = 30 + 20 + 4
_PADDING_ID = 0x4246  # "FB"

# Pickle instructions.
_EMPTY_DICT = b"ccollections\nOrderedDict\n)R"
_REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
_FALSE, _MARK, _TUPLE, _REDUCE, _BINPERSID, _SETITEMS = b"\x89", b"(", b"t", b"R", b"Q", b"u"


def write_torch(path: Path, tensors: Mapping[str, np.ndarray | LazyArray]) -> None:
    """Writes a state dict for `torch.load(path, weights_only=True)`, atomically.

    One tensor is in memory at a time. Names of the same object share one storage, like tied weights in
    PyTorch. The same tensors give the same bytes.

    Args:
        path: the file to write or replace.
        tensors: name -> tensor of any shape; float32, float16, bfloat16, float64, int64, int32, int16,
            int8, uint8 or bool.

    Raises:
        UserError: a tensor has another dtype, or the file cannot be written.
    """
    tensors = dict(tensors)
    for name, tensor in tensors.items():
        if tensor.dtype not in _STORAGE_NAMES:
            allowed = ", ".join(str(dtype) for dtype in _STORAGE_NAMES)
            raise UserError(
                f"{path}: {name} is {tensor.dtype}; a tensor of a PyTorch file must be {allowed}: cast it"
            )
    storages = {id(tensor): tensor for tensor in tensors.values()}
    keys = {identity: str(i) for i, identity in enumerate(storages)}
    with (
        replace_atomically(path) as temporary,
        temporary.open("wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        pickle = _state_dict({name: (keys[id(tensor)], tensor) for name, tensor in tensors.items()})
        _add(archive, file, "data.pkl", np.frombuffer(pickle, np.uint8))
        _add(archive, file, "byteorder", np.frombuffer(b"little", np.uint8))
        for identity, tensor in storages.items():
            _add(archive, file, f"data/{keys[identity]}", np.asarray(tensor))
        _add(archive, file, "version", np.frombuffer(_VERSION, np.uint8))


def _add(archive: zipfile.ZipFile, file: BinaryIO, name: str, values: np.ndarray) -> None:
    entry = zipfile.ZipInfo(f"{_FOLDER}{name}")
    padding = -(file.tell() + _HEADER + len(entry.filename)) % _ALIGNMENT
    entry.extra = struct.pack("<HH", _PADDING_ID, padding) + b"Z" * padding
    with archive.open(entry, "w", force_zip64=True) as writer:
        writer.write(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)


def _state_dict(tensors: Mapping[str, tuple[str, np.ndarray | LazyArray]]) -> bytes:
    """The pickle of name -> (key of the storage, tensor)."""
    items = b"".join(_text(name) + _tensor(key, tensor) for name, (key, tensor) in tensors.items())
    return b"\x80\x02" + _EMPTY_DICT + _MARK + items + _SETITEMS + b"."


def _tensor(key: str, tensor: np.ndarray | LazyArray) -> bytes:
    storage_class = b"ctorch\n" + _STORAGE_NAMES[tensor.dtype].encode() + b"\n"
    numel = math.prod(tensor.shape)
    storage = _tuple(_text("storage"), storage_class, _text(key), _text("cpu"), _integer(numel)) + _BINPERSID
    strides = [math.prod(tensor.shape[i + 1 :]) for i in range(len(tensor.shape))]
    view = (_tuple(*map(_integer, numbers)) for numbers in (tensor.shape, strides))
    return _REBUILD + _tuple(storage, _integer(0), *view, _FALSE, _EMPTY_DICT) + _REDUCE


def _tuple(*parts: bytes) -> bytes:
    return _MARK + b"".join(parts) + _TUPLE


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value) if value < 2**31 else b"\x8a\x08" + struct.pack("<q", value)
