"""Makes hostile files, and checks that a file is refused with little memory and one sentence."""

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
from hclip_jax.weights.torch_zip.pickle_vm import Opaque
from hclip_jax.weights.torch_zip.reader import read_torch

MAX_MEMORY = 50 * 2**20


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Fails if the block takes more than 50 MiB."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MAX_MEMORY


def values(content: Any) -> Any:
    """The content with its tensors loaded; fails on anything that is not plain data."""
    if isinstance(content, LazyArray):
        array = np.asarray(content)
        assert (array.shape, array.dtype) == (content.shape, content.dtype)
        return array.dtype.name, array.shape, array.tobytes()
    if isinstance(content, dict):
        return {key: values(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [values(value) for value in content]
    assert type(content) in (str, int, float, bool, bytes, type(None), Opaque)
    return repr(content)  # makes NaN equal to itself


def check_message(error: UserError, path: Path) -> str:
    """Returns the message, which must be one short line that starts with the path."""
    message = str(error)
    assert message.startswith(f"{path} ")
    assert message.isprintable()
    assert len(message) < 500 + len(str(path))
    return message


def outcome(path: Path) -> Any:
    """The values of a file, or None if it is refused."""
    try:
        with bounded_memory():
            return values(read_torch(path).content)
    except UserError as error:
        check_message(error, path)
        return None


def refused(path: Path) -> str:
    """The message with which a file is refused."""
    with bounded_memory(), pytest.raises(UserError) as error:
        read_torch(path)
    return check_message(error.value, path)


def archive(path: Path, pickle: bytes, is_torchscript: bool = False) -> Path:
    """Writes a file with a pickle and one storage "0" with the float32 values 0 to 4."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x/data.pkl", pickle)
        file.writestr("x/data/0", np.arange(5, dtype="<f4").tobytes())
        if is_torchscript:
            file.writestr("x/constants.pkl", b"")
    return path


def text(value: str | bytes) -> bytes:
    """Pickle instruction for text."""
    data = value.encode() if isinstance(value, str) else value
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value: int) -> bytes:
    """Pickle instruction for an integer."""
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def integers(*numbers: int) -> bytes:
    """Pickle instructions for a tuple of integers."""
    return b"(" + b"".join(map(integer, numbers)) + b"t"


STORAGE = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + integer(5) + b"tQ"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"
ORDERED_DICT = b"ccollections\nOrderedDict\n"


def tensor(offset: int, shape: bytes, strides: bytes, storage: bytes = STORAGE) -> bytes:
    """Pickle instructions for a tensor; so are its shape and strides."""
    return TENSOR + b"(" + storage + integer(offset) + shape + strides + b"\x89" + ORDERED_DICT + b")RtR"
