"""Files at addresses are copied once, and folders there are moved and removed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.io import cache, copies
from hclip_jax.io.copies import local_copy, move_folder, remove_folder
from hclip_jax.io.files import replace_atomically, write_atomically
from hclip_jax.io.paths import as_address
from hclip_jax.load import open_model
from hclip_jax.text.class_names import read_class_names
from hclip_jax.weights.model_directory import save_model
from tests.bucket import Bucket, bucket
from tests.weights.sample_files import FILES

FILE = "gs://bucket/a/weights.bin"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    (tmp_path / "bucket/a").mkdir(parents=True)
    with bucket(tmp_path / "bucket"):
        yield tmp_path / "bucket"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of the bucket that were opened."""
    opened: list[str] = []
    original = Bucket.open

    def note(self: Bucket, path: str, *arguments: str) -> object:
        opened.append(path)
        return original(self, path, *arguments)

    monkeypatch.setattr(Bucket, "open", lambda self, path, mode="rb": note(self, path, mode))
    return opened


def test_a_file_is_copied_once(store: Path, reads: list[str]) -> None:
    (store / "a/weights.bin").write_bytes(b"12345")
    copy = local_copy(as_address(FILE))
    assert copy.name == "weights.bin"
    assert copy.read_bytes() == b"12345"
    assert local_copy(as_address(FILE)) == copy
    assert reads == [FILE]
    copy.write_bytes(b"1234")  # damaged
    assert local_copy(as_address(FILE)).read_bytes() == b"12345"
    assert reads == [FILE] * 2
    (store / "a/weights.bin").write_bytes(b"another")
    assert local_copy(as_address(FILE)).read_bytes() == b"another"
    assert local_copy(copy) is copy


def test_copies_are_bounded(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "MAX_BYTES", 2100)
    for number in range(5):
        (store / f"a/{number}").write_bytes(bytes(1000))
        copy = local_copy(as_address(f"gs://bucket/a/{number}"))
        assert copy.exists()
    assert sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file()) <= 2100


def test_without_a_cache_folder(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, "")
    (store / "a/weights.bin").write_bytes(b"12345")
    assert local_copy(as_address(FILE)).read_bytes() == b"12345"


def test_what_cannot_be_read_is_named(store: Path) -> None:
    with pytest.raises(UserError, match=r"gs://bucket/a/weights\.bin cannot be read"):
        local_copy(as_address(FILE))


def test_the_cache_itself_is_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, "gs://bucket/cache")
    with pytest.raises(UserError, match="gs://bucket/cache is an address"):
        cache.folder()


def test_a_file_is_written_whole_or_not_at_all(store: Path) -> None:
    path = as_address("gs://bucket/new/file")
    write_atomically(path, "first")
    with pytest.raises(FileNotFoundError), replace_atomically(path) as temporary:
        (temporary.parent / "none" / "x").write_text("second")
    assert path.read_text() == "first"
    with replace_atomically(path) as temporary:
        temporary.write_text("third")
    assert (store / "new/file").read_text() == "third"
    assert [found.name for found in (store / "new").iterdir()] == ["file"]


def test_libraries_of_object_stores_have_errors_of_their_own(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise KeyError("quota")

    monkeypatch.setattr(Bucket, "open", refuse)
    with pytest.raises(UserError, match=r"gs://bucket/x cannot be written \('quota'\); check the address"):
        write_atomically(as_address("gs://bucket/x"), "1")


def test_a_moved_folder_is_complete_last(store: Path) -> None:
    root = as_address("gs://bucket")
    for name in ("mark", "z/1", "a/2"):
        write_atomically(root / "old" / name, name)
    move_folder(root / "old", root / "aside" / "old", "mark")
    assert not (root / "old").exists()
    assert (root / "aside/old/z/1").read_text() == "z/1"
    written = [(store / "aside/old" / name).stat().st_mtime_ns for name in ("z/1", "a/2", "mark")]
    assert max(written) == written[-1]
    remove_folder(root / "aside")
    assert not (root / "aside").exists()


def test_a_class_list(store: Path) -> None:
    (store / "classes.txt").write_bytes(b"\xef\xbb\xbfcat\r\nsky, clouds\r\n")
    assert read_class_names("gs://bucket/classes.txt") == ("cat", "sky, clouds")
    with pytest.raises(UserError, match="cannot read the class list gs://bucket/none"):
        read_class_names("gs://bucket/none")


@pytest.mark.parametrize("name", ["openai.pt", "huggingface"])
def test_weights(name: str, store: Path) -> None:
    if (FILES / name).is_dir():
        shutil.copytree(FILES / name, store / name)
    else:
        shutil.copy(FILES / name, store / name)
    found, expected = open_model(f"gs://bucket/{name}"), open_model(FILES / name)
    assert found.clip == expected.clip
    for key, array in expected.params.items():
        np.testing.assert_array_equal(np.asarray(found.params[key]), np.asarray(array))


def test_a_model_directory(store: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "model", open_model(FILES / "openai.pt"))
    shutil.copytree(tmp_path / "model", store / "model")
    assert open_model("gs://bucket/model").parts == ("clip",)
    (store / "model/model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(UserError, match=r"is not the file that the config\.json beside it describes"):
        open_model("gs://bucket/model")


def test_nothing_at_an_address(store: Path) -> None:
    with pytest.raises(UserError, match="gs://bucket/none does not exist; give a model directory"):
        open_model("gs://bucket/none")
