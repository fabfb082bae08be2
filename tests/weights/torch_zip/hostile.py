"""Files made wrong on purpose, and what is asked of whoever reads them."""

import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.torch_zip.reader import read_torch

MEMORY = 50 * 2**20


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Fails if the block takes more than 50 MiB."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY


def values(content: Any) -> Any:
    """The content with its tensors read; fails on anything that is not plain data."""
    if isinstance(content, LazyArray):
        array = np.asarray(content)
        assert (array.shape, array.dtype) == (content.shape, content.dtype)
        return array.dtype.name, array.shape, array.tobytes()
    if isinstance(content, dict):
        return {key: values(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [values(value) for value in content]
    assert type(content) in (str, int, float, bool, bytes, type(None))
    return repr(content)  # NaN equals itself so


def sentence(error: UserError, path: Path) -> str:
    """The message, which must be one line that begins with the file and is not long."""
    message = str(error)
    assert message.startswith(f"{path} ")
    assert message.isprintable()
    assert len(message) < 500 + len(str(path))
    return message


def outcome(path: Path) -> Any:
    """The values of a file, or None if it is refused as it should be."""
    try:
        with bounded_memory():
            return values(read_torch(path).content)
    except UserError as error:
        sentence(error, path)
        return None


def refused(path: Path) -> str:
    """The one sentence with which a file must be refused."""
    with bounded_memory(), pytest.raises(UserError) as error:
        read_torch(path)
    return sentence(error.value, path)


def archive(path: Path, pickle: bytes, scripted: bool = False) -> Path:
    """A file of this pickle and one storage "0" of five float32 values."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x/data.pkl", pickle)
        file.writestr("x/data/0", np.arange(5, dtype="<f4").tobytes())
        if scripted:
            file.writestr("x/constants.pkl", b"")
    return path


def text(value: str | bytes) -> bytes:
    """The pickle of a text."""
    data = value.encode() if isinstance(value, str) else value
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value: int) -> bytes:
    """The pickle of an integer."""
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def counts(*numbers: int) -> bytes:
    """The pickle of a tuple of integers."""
    return b"(" + b"".join(map(integer, numbers)) + b"t"


STORAGE = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + integer(5) + b"tQ"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"
ORDERED_DICT = b"ccollections\nOrderedDict\n"


def tensor(offset: int, shape: bytes, strides: bytes, storage: bytes = STORAGE) -> bytes:
    """The pickle of a tensor; its shape and strides are pickles."""
    return TENSOR + b"(" + storage + integer(offset) + shape + strides + b"\x89" + ORDERED_DICT + b")RtR"
