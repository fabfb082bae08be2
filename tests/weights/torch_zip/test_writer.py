"""Writing state dicts. PyTorch has read files/written.pth (make_torch_files.py)."""

import struct
import tracemalloc
import zipfile

import ml_dtypes
import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.torch_zip.reader import read_torch
from hclip_jax.weights.torch_zip.writer import write_torch
from tests.weights.sample_files import FILES

WRITTEN = FILES / "written.pth"
DTYPES = [np.float32, np.float16, ml_dtypes.bfloat16, np.float64, np.int64, np.int32, np.uint8, np.bool_]


@pytest.mark.parametrize("dtype", DTYPES)
def test_read_inverts_write(tmp_path, dtype):
    values = np.random.default_rng(0).integers(0, 2, (4, 5, 6)).astype(dtype)
    tensors = {
        "whole": values,
        "view": values.transpose(2, 0, 1)[::2, 1:],
        "scalar": values[0, 0, 0].reshape(()),
        "empty": values[:0],
        "layer.é": values[1],
    }
    write_torch(tmp_path / "x.pth", tensors)
    content, is_torchscript = read_torch(tmp_path / "x.pth")
    assert not is_torchscript
    assert list(content) == list(tensors)
    for name, value in tensors.items():
        result = np.asarray(content[name])
        assert (result.dtype, result.shape) == (value.dtype, value.shape)
        assert result.tobytes() == value.tobytes()


def test_bytes_are_those_that_pytorch_has_read(tmp_path):
    write_torch(tmp_path / "x.pth", read_torch(WRITTEN).content)
    assert (tmp_path / "x.pth").read_bytes() == WRITTEN.read_bytes()


def test_every_entry_is_aligned_for_memory_mapping():
    data = WRITTEN.read_bytes()
    with zipfile.ZipFile(WRITTEN) as archive:
        for entry in archive.infolist():
            name, extra = struct.unpack_from("<HH", data, entry.header_offset + 26)
            start = entry.header_offset + 30 + name + extra
            assert start % 64 == 0
            assert data[start : start + entry.file_size] == archive.read(entry)


def test_names_of_one_object_share_a_storage(tmp_path):
    values = np.ones((100, 100), np.float32)
    write_torch(tmp_path / "x.pth", {"a": values, "b": values, "equal": values.copy()})
    content = read_torch(tmp_path / "x.pth").content
    assert content["a"] is content["b"] is not content["equal"]
    assert 80_000 < (tmp_path / "x.pth").stat().st_size < 90_000


def test_sizes_of_more_than_31_bits(tmp_path):
    shape = (0, 2**31)  # has no values
    write_torch(tmp_path / "x.pth", {"x": np.zeros(shape, np.uint8)})
    assert read_torch(tmp_path / "x.pth").content["x"].shape == shape


def test_one_tensor_is_in_memory_at_a_time(tmp_path):
    size = 2**20
    lazy = LazyArray((size,), np.dtype(np.float32), lambda: np.ones(size, np.float32))
    tensors = {f"x{i}": LazyArray(lazy.shape, lazy.dtype, lazy.load) for i in range(8)}
    tracemalloc.start()
    write_torch(tmp_path / "x.pth", tensors)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "x.pth").stat().st_size > 8 * 4 * size
    assert peak < 2.5 * 4 * size


def test_dtypes_without_a_pytorch_storage_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"x\.pth: a is complex64; .*float32"):
        write_torch(tmp_path / "x.pth", {"a": np.zeros(1, np.complex64)})
    assert not list(tmp_path.iterdir())


def test_a_tensor_that_cannot_be_loaded_leaves_the_old_file(tmp_path):
    def broken() -> np.ndarray:
        raise UserError("source.pth is broken")

    path = tmp_path / "x.pth"
    path.write_text("old")
    tensors = {"a": np.zeros(3, np.float32), "b": LazyArray((2,), np.dtype(np.float32), broken)}
    with pytest.raises(UserError, match=r"source\.pth is broken"):
        write_torch(path, tensors)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
