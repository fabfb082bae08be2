"""Reading files of PyTorch, and refusing files of other formats."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.torch_zip.reader import read_torch, tensors_by_name
from tests.weights.sample_files import FILES
from tests.weights.torch_zip import hostile


def expected(file: str) -> dict[str, np.ndarray]:
    """The values of a file's tensors according to PyTorch; bfloat16 as float32."""
    with np.load(FILES / "torch_files.npz") as arrays:
        return {n.removeprefix(f"{file}/"): arrays[n] for n in arrays.files if n.startswith(f"{file}/")}


def rewrite_zip(source: Path, target: Path, change) -> Path:
    """Copies a zip file; `change` maps (name, content) to arguments of `writestr`, or None to drop it."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            entry = change(name, old.read(name))
            if entry is not None:
                new.writestr(*entry)
    return target


@pytest.mark.parametrize(
    ("file", "is_torchscript", "state_dict"),
    [
        ("plain.pth", False, lambda content: content),
        ("training.pth", False, lambda content: content["model"]),
        ("scripted.pt", True, lambda content: content),
    ],
)
def test_values_are_equal_to_the_bit(file, is_torchscript, state_dict):
    result = read_torch(FILES / file)
    tensors, arrays = tensors_by_name(state_dict(result.content)), expected(Path(file).stem)
    assert result.is_torchscript is is_torchscript
    assert tensors.keys() == arrays.keys()
    for name, tensor in tensors.items():
        values, array = np.asarray(tensor), arrays[name]
        assert values.dtype == tensor.dtype == (ml_dtypes.bfloat16 if name == "bfloat16" else array.dtype)
        assert values.shape == tensor.shape == array.shape
        assert values.flags.c_contiguous
        assert values.astype(array.dtype).tobytes() == array.tobytes(), name


def test_a_training_checkpoint_is_nested_plain_data():
    content = read_torch(FILES / "training.pth").content
    assert content["iteration"] == 5
    assert content["trainer"]["hooks"] == {"LRScheduler": {"base_lrs": [0.1], "last_epoch": 6}}
    optimizer = content["trainer"]["_trainer"]["optimizer"]
    assert sorted(optimizer["state"]) == [0, 1, 2]
    assert float(np.asarray(optimizer["state"][2]["step"])) == 1
    group = optimizer["param_groups"][0]
    assert (group["lr"], group["betas"], group["params"]) == (0.1, (0.9, 0.999), [0])
    # The moments of the optimizer have integer keys.
    assert set(tensors_by_name(content)) == {"model.scale", "model.linear.weight", "model.linear.bias"}


def test_a_torchscript_module_is_the_dict_of_its_attributes():
    content = read_torch(FILES / "scripted.pt").content
    assert content["sizes"] == [3, 2]
    assert content["notes"] == {"rate": 0.5}
    assert content["blocks"]["1"]["training"] is True


def test_names_of_one_tensor_give_one_object():
    tensors = read_torch(FILES / "plain.pth").content
    assert tensors["tied"] is tensors["base"]
    assert tensors["rows"] is not tensors["base"]


def test_damaged_values_are_refused_when_loaded(tmp_path):
    data = bytearray((FILES / "plain.pth").read_bytes())
    values = expected("plain")["float64"].tobytes()
    data[data.index(values)] ^= 1
    path = tmp_path / "damaged.pth"
    path.write_bytes(data)
    tensors = read_torch(path).content
    for name, tensor in tensors.items():
        if name != "float64":
            np.asarray(tensor)
    with pytest.raises(UserError, match=r"damaged\.pth is broken .*CRC"):
        np.asarray(tensors["float64"])


def views(tmp_path: Path) -> Path:
    """A file with 1,000 tensors of 1 kB, which lie in one storage of 1 MB."""
    base = np.arange(256 * 1000, dtype="<f4")
    pickle_ = b"\x80\x02]("
    storage = hostile.STORAGE.replace(hostile.integer(5), hostile.integer(base.size))
    for i in range(1000):
        pickle_ += hostile.tensor(256 * i, hostile.integers(16, 16), hostile.integers(16, 1), storage)
    with zipfile.ZipFile(tmp_path / "views.pt", "w") as archive:
        archive.writestr("x/data.pkl", pickle_ + b"e.")
        archive.writestr("x/data/0", base.tobytes())
    return tmp_path / "views.pt"


def test_a_storage_is_read_once_for_all_its_tensors(tmp_path, monkeypatch):
    tensors, opened = read_torch(views(tmp_path)).content, []
    open_entry = zipfile.ZipFile.open
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *args: opened.append(1) or open_entry(*args))
    arrays = [np.asarray(tensor) for tensor in tensors]
    assert np.array_equal(np.concatenate(arrays).ravel(), np.arange(256 * 1000))
    assert len(opened) == 1  # for the checksum


def test_a_part_of_damaged_values_is_refused(tmp_path):
    path = views(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(np.arange(256 * 999, 256 * 1000, dtype="<f4").tobytes())] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"views\.pt is broken .*CRC"):
        np.asarray(read_torch(path).content[0])


def test_the_file_may_be_deleted_before_its_tensors_are_loaded(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes((FILES / "plain.pth").read_bytes())
    tensor = read_torch(path).content["transposed"]
    path.unlink()
    assert np.array_equal(np.asarray(tensor), expected("plain")["transposed"])


def test_tensors_convert_to_numpy_arrays():
    tensor = read_torch(FILES / "plain.pth").content["bfloat16"]
    assert np.asarray(tensor, np.float32).dtype == np.float32
    assert np.array_equal(np.array(tensor, np.float32), expected("plain")["bfloat16"])
    with pytest.raises(ValueError, match="copy"):
        np.asarray(tensor, copy=False)


def test_the_folder_in_the_archive_may_have_any_name(tmp_path):
    path = rewrite_zip(
        FILES / "scripted.pt",
        tmp_path / "x.pt",
        lambda name, data: (name.replace("scripted/", "ViT-B-16/", 1), data),
    )
    assert read_torch(path).is_torchscript
    assert tensors_by_name(read_torch(path).content).keys() == expected("scripted").keys()


def test_entries_with_a_similar_name_are_ignored(tmp_path):
    path = tmp_path / "x.pth"
    path.write_bytes((FILES / "plain.pth").read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("plain/extra/data.pkl", b"N.")
    assert tensors_by_name(read_torch(path).content).keys() == expected("plain").keys()


def test_wrong_entries_are_refused(tmp_path):
    def refuse(change, match):
        path = rewrite_zip(FILES / "plain.pth", tmp_path / "x.pth", change)
        with pytest.raises(UserError, match=match):
            read_torch(path)

    refuse(lambda n, d: (n, b"big" if n.endswith("byteorder") else d), "little-endian")
    refuse(lambda n, d: (n, d, zipfile.ZIP_DEFLATED), r"compressed entry")
    refuse(lambda n, d: (n, d, zipfile.ZIP_DEFLATED if n.endswith("data/3") else None), r"compressed.*data/3")
    refuse(lambda n, d: None if n.endswith("data.pkl") else (n, d), r"no data\.pkl")
    refuse(lambda n, d: None if n.endswith("data/3") else (n, d), r"no entry data/3")
    refuse(lambda n, d: (n, d[:-1] if n.endswith("data/3") else d), r"storage 3 has 15 bytes, not 16")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:5806\nsize 9\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>404</html>", "web page"),
        ((FILES / "legacy.pth").read_bytes(), r"torch\.save\(torch\.load"),
        (b"0" * 257 + b"ustar  \0" + b"0" * 300, r"torch\.save\(torch\.load"),
        (pickle.dumps({"a": 1}), "not a zip"),
        (b"\x89PNG\r\n\x1a\n\0\0", r"begins with b'\\x89PNG"),
        ((FILES / "plain.pth").read_bytes()[:3000], "broken.*download it again"),
    ],
)
def test_other_formats_are_refused(tmp_path, content, match):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"weights\.pt .*{match}") as refusal:
        read_torch(path)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"none.pt does not exist"):
        read_torch(tmp_path / "none.pt")
    with pytest.raises(UserError, match="is a folder, not a file"):
        read_torch(tmp_path)


def test_another_zip_file_is_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("notes.txt", "x")
    path = tmp_path / "x.pt"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match="not PyTorch's"):
        read_torch(path)


def tensor() -> LazyArray:
    return LazyArray((), np.dtype(np.float32), lambda: np.zeros((), np.float32))


def test_names_are_dotted_paths_of_tensors():
    one, two = tensor(), tensor()
    tree = {"a": {"b": {"w": one}, "n": 3, 7: {"w": tensor()}, "list": [tensor()]}, "a.c": two}
    assert tensors_by_name(tree) == {"a.b.w": one, "a.c": two}
    assert tensors_by_name([tensor()]) == tensors_by_name(None) == {}


def test_two_tensors_with_one_name_are_refused():
    with pytest.raises(UserError, match=r"two tensors with the name a\.b"):
        tensors_by_name({"a": {"b": tensor()}, "a.b": tensor()})


def test_names_may_have_64_levels():
    tree: Any = tensor()
    for _ in range(64):
        tree = {"": tree}
    assert list(tensors_by_name(tree)) == ["." * 63]
    with pytest.raises(UserError, match="64 levels"):
        tensors_by_name({"": tree})


def test_endless_trees_are_refused():
    cycle: dict = {}
    cycle["a"] = cycle
    bomb: dict = {}
    for _ in range(40):
        bomb = {"a": bomb, "b": bomb}
    long = tensor()
    for _ in range(30):
        long = {"n" * 900: long}
    for tree in (cycle, bomb, long):
        with pytest.raises(UserError, match="more than 100000 names"):
            tensors_by_name(tree)
