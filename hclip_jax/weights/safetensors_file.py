"""Safetensors files, one tensor in memory at a time.

Reading uses the safetensors library. It can write only tensors that are all in memory, so writing is ours.
"""

import functools
import hashlib
import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from hclip_jax.errors import UserError, printable
from hclip_jax.io.files import replace_atomically
from hclip_jax.io.substitutes import check_file
from hclip_jax.weights.lazy_array import LazyArray

_DTYPES = {
    "BF16": ml_dtypes.bfloat16,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I8": np.int8,
    "I16": np.int16,
    "I32": np.int32,
    "I64": np.int64,
}
_MAX_TENSORS = 100_000  # as in PyTorch's files
_DTYPE_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items()}


def read_safetensors(path: Path) -> dict[str, LazyArray]:
    """The arrays of a file by name; values are not loaded.

    Raises:
        UserError: the file is missing, no file, or broken, or has a name or a dtype that is not supported.
    """
    check_file(path, "give a weights file")
    try:
        file: Any = safe_open(path, framework="np", backend="pread")
        tensors = {}
        names = file.keys()
        if len(names) > _MAX_TENSORS:
            raise UserError(f"{path} has {len(names):,} tensors, more than any weights; give another file")
        for name in names:
            if not name.isprintable():
                raise UserError(f"{path}: the name {printable(name)} is not printable; rename that tensor")
            view = file.get_slice(name)
            dtype = view.get_dtype()
            if dtype not in _DTYPES:
                raise UserError(
                    f"{path}: {printable(name)} is {dtype}; a tensor must be {', '.join(_DTYPES)}"
                )
            load = functools.partial(_load, file, name, path)
            tensors[name] = LazyArray(tuple(view.get_shape()), np.dtype(_DTYPES[dtype]), load)
        return tensors
    except UserError:
        raise
    except (SafetensorError, OSError, ValueError) as error:
        raise _broken(path, error) from error


def write_safetensors(path: Path, tensors: Mapping[str, LazyArray], metadata: Mapping[str, str]) -> str:
    """Writes a file atomically.

    Args:
        path: the file to write or replace.
        tensors: name -> array.
        metadata: the `__metadata__` of the header.

    Returns:
        The sha256 of the file.

    Raises:
        UserError: a tensor cannot be loaded, or the file cannot be written.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    # The library's order, widest dtype first, which aligns every tensor to its items.
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    for name in order:
        tensor = tensors[name]
        start, end = end, end + math.prod(tensor.shape) * tensor.dtype.itemsize
        header[name] = {
            "dtype": _DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    with replace_atomically(path) as temporary, temporary.open("wb") as file:
        for piece in (struct.pack("<Q", len(text)), text):
            digest.update(piece)
            file.write(piece)
        for name in order:
            data = np.ascontiguousarray(np.asarray(tensors[name])).reshape(-1).view(np.uint8).data
            digest.update(data)
            file.write(data)
    return digest.hexdigest()


def _load(file: Any, name: str, path: Path) -> np.ndarray:
    try:
        return file.get_tensor(name)
    except (SafetensorError, OSError, ValueError) as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> UserError:
    reason = printable(" ".join(str(error).split()))
    return UserError(
        f"{path} cannot be read as safetensors ({reason}); the file may be cut off, download it again"
    )
