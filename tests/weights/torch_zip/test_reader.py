"""Files that PyTorch wrote, and files that are mistaken for them."""

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


def expected(file: str) -> dict[str, np.ndarray]:
    """What PyTorch says the tensors of a file hold; bfloat16 as float32."""
    with np.load(FILES / "torch_files.npz") as arrays:
        return {n.removeprefix(f"{file}/"): arrays[n] for n in arrays.files if n.startswith(f"{file}/")}


def rezipped(source: Path, target: Path, change) -> Path:
    """A copy of an archive, each (name, content) passed through `change`; None leaves an entry out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            entry = change(name, old.read(name))
            if entry is not None:
                new.writestr(*entry)
    return target


@pytest.mark.parametrize(
    ("file", "scripted", "at"),
    [
        ("plain.pth", False, lambda content: content),
        ("training.pth", False, lambda content: content["model"]),
        ("scripted.pt", True, lambda content: content),
    ],
)
def test_every_tensor_has_the_bits_that_pytorch_wrote(file, scripted, at):
    content, is_scripted = read_torch(FILES / file)
    tensors, wanted = tensors_by_name(at(content)), expected(Path(file).stem)
    assert is_scripted is scripted
    assert tensors.keys() == wanted.keys()
    for name, tensor in tensors.items():
        values, want = np.asarray(tensor), wanted[name]
        assert values.dtype == tensor.dtype == (ml_dtypes.bfloat16 if name == "bfloat16" else want.dtype)
        assert values.shape == tensor.shape == want.shape
        assert values.flags.c_contiguous
        assert values.astype(want.dtype).tobytes() == want.tobytes(), name


def test_a_training_checkpoint_keeps_its_nesting_and_is_plain_data():
    content = read_torch(FILES / "training.pth").content
    assert content["iteration"] == 5
    assert content["trainer"]["hooks"] == {"LRScheduler": {"base_lrs": [0.1], "last_epoch": 6}}
    optimizer = content["trainer"]["_trainer"]["optimizer"]
    assert sorted(optimizer["state"]) == [0, 1, 2]
    assert float(np.asarray(optimizer["state"][2]["step"])) == 1
    group = optimizer["param_groups"][0]
    assert (group["lr"], group["betas"], group["params"]) == (0.1, (0.9, 0.999), [0])
    # The optimizer's moments have integer keys and are not weights.
    assert set(tensors_by_name(content)) == {"model.scale", "model.linear.weight", "model.linear.bias"}


def test_a_scripted_module_is_the_dict_of_its_attributes():
    content = read_torch(FILES / "scripted.pt").content
    assert content["sizes"] == [3, 2]
    assert content["notes"] == {"rate": 0.5}
    assert content["blocks"]["1"]["training"] is True


def test_names_of_one_tensor_give_one_object():
    tensors = read_torch(FILES / "plain.pth").content
    assert tensors["tied"] is tensors["base"]
    assert tensors["rows"] is not tensors["base"]


def test_values_are_read_when_asked_for_and_damage_is_found_then(tmp_path):
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


def test_the_file_may_be_replaced_while_its_tensors_are_read(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes((FILES / "plain.pth").read_bytes())
    tensor = read_torch(path).content["transposed"]
    path.unlink()
    assert np.array_equal(np.asarray(tensor), expected("plain")["transposed"])


def test_a_stored_tensor_converts_as_arrays_do():
    tensor = read_torch(FILES / "plain.pth").content["bfloat16"]
    assert np.asarray(tensor, np.float32).dtype == np.float32
    assert np.array_equal(np.array(tensor, np.float32), expected("plain")["bfloat16"])
    with pytest.raises(ValueError, match="copy"):
        np.asarray(tensor, copy=False)


def test_the_folder_inside_may_have_any_name(tmp_path):
    path = rezipped(
        FILES / "scripted.pt",
        tmp_path / "x.pt",
        lambda name, data: (name.replace("scripted/", "ViT-B-16/", 1), data),
    )
    assert read_torch(path).scripted
    assert tensors_by_name(read_torch(path).content).keys() == expected("scripted").keys()


def test_other_entries_of_a_like_name_do_no_harm(tmp_path):
    path = tmp_path / "x.pth"
    path.write_bytes((FILES / "plain.pth").read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("plain/extra/data.pkl", b"N.")
    assert tensors_by_name(read_torch(path).content).keys() == expected("plain").keys()


def test_what_is_not_such_an_archive_is_refused(tmp_path):
    def refuse(change, match):
        path = rezipped(FILES / "plain.pth", tmp_path / "x.pth", change)
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
def test_other_files_are_told_apart(tmp_path, content, match):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"weights\.pt .*{match}") as refusal:
        read_torch(path)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_and_a_folder_are_the_users_error(tmp_path):
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(UserError, match="is not a file"):
            read_torch(path)


def test_another_zip_file_is_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("notes.txt", "x")
    path = tmp_path / "x.pt"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match=r"not of PyTorch"):
        read_torch(path)


def leaf() -> LazyArray:
    return LazyArray((), np.dtype(np.float32), lambda: np.zeros((), np.float32))


def test_names_are_dotted_paths_of_tensors_alone():
    one, two = leaf(), leaf()
    tree = {"a": {"b": {"w": one}, "n": 3, 7: {"w": leaf()}, "list": [leaf()]}, "a.c": two}
    assert tensors_by_name(tree) == {"a.b.w": one, "a.c": two}
    assert tensors_by_name([leaf()]) == tensors_by_name(None) == {}


def test_two_tensors_of_one_name_are_refused():
    with pytest.raises(UserError, match=r"two tensors of the name a\.b"):
        tensors_by_name({"a": {"b": leaf()}, "a.b": leaf()})


def test_names_may_have_64_levels():
    tree: Any = leaf()
    for _ in range(64):
        tree = {"": tree}
    assert list(tensors_by_name(tree)) == ["." * 63]
    with pytest.raises(UserError, match="64 levels"):
        tensors_by_name({"": tree})


def test_trees_without_end_are_refused():
    cycle: dict = {}
    cycle["a"] = cycle
    bomb: dict = {}
    for _ in range(40):
        bomb = {"a": bomb, "b": bomb}
    long = leaf()
    for _ in range(30):
        long = {"n" * 900: long}
    for tree in (cycle, bomb, long):
        with pytest.raises(UserError, match="more than 100000 names"):
            tensors_by_name(tree)
