import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.errors import UserError
from hclip_jax.io.files import (
    check_writable,
    create_atomically,
    create_dir_atomically,
    replace_atomically,
    sha256_of,
    write_atomically,
    write_png,
)


@pytest.mark.parametrize(
    ("content", "stored"),
    [("café\r\nx\n", "café\r\nx\n".encode()), (b"\x00\xff", b"\x00\xff"), ("", b"")],
)
def test_content_is_stored_byte_for_byte(tmp_path, content, stored):
    path = tmp_path / "new" / "folder" / "file.txt"
    write_atomically(path, content)
    assert path.read_bytes() == stored
    assert list(path.parent.iterdir()) == [path]


def test_the_old_file_is_replaced_by_a_rename(tmp_path):
    path = tmp_path / "file.txt"
    write_atomically(path, "old")
    with path.open() as reader:  # opened before the write, read after it
        write_atomically(path, "new and longer")
        assert reader.read() == "old"
    assert path.read_text() == "new and longer"


def test_the_content_is_on_the_disk_before_the_rename(tmp_path, monkeypatch):
    path, synced = tmp_path / "file.txt", []

    def fsync(descriptor):
        assert not path.exists()
        synced.append(os.pread(descriptor, 10, 0))

    monkeypatch.setattr("os.fsync", fsync)
    write_atomically(path, "content")
    assert synced == [b"content"]
    assert path.read_text() == "content"


def test_a_name_as_long_as_the_system_allows_works(tmp_path):
    write_atomically(tmp_path / ("n" * 255), "x")
    assert (tmp_path / ("n" * 255)).read_text() == "x"


def test_a_failed_write_leaves_the_old_file_and_no_temporary_file(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(UserError, match=r"file\.txt.*No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_where_a_folder_is_needed_is_a_user_error(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="taken"):
        write_atomically(tmp_path / "taken" / "file.txt", "x")


def test_a_folder_where_the_file_is_to_be_is_a_user_error(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(UserError, match="taken"):
        write_atomically(tmp_path / "taken", "x")


def test_a_block_that_writes_replaces_the_file_at_its_end(tmp_path):
    path = tmp_path / "new" / "file.bin"
    with replace_atomically(path) as temporary:
        assert temporary.parent == path.parent
        temporary.write_bytes(b"one")
        assert not path.exists()
    assert path.read_bytes() == b"one"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("raised", "shown", "match"),
    [
        (OSError(28, "No space left"), UserError, "No space left"),
        (OSError("odd"), UserError, "odd"),
        (KeyError("other"), KeyError, "other"),
    ],
)
def test_a_block_that_fails_leaves_the_old_file_and_no_temporary_file(tmp_path, raised, shown, match):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def write() -> None:
        with replace_atomically(path) as temporary:
            temporary.write_bytes(b"half")
            raise raised

    with pytest.raises(shown, match=match):
        write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with (
        pytest.raises(UserError, match=r"file\.bin cannot be written"),
        replace_atomically(tmp_path / "file.bin"),
    ):
        pass


@pytest.mark.parametrize("create", [create_atomically, create_dir_atomically])
def test_an_existing_target_is_refused_and_unchanged(tmp_path, create):
    target = tmp_path / "model"
    target.mkdir()
    with create(target) as temporary:  # an empty folder counts as absent
        temporary.mkdir(exist_ok=True)
        (temporary / "new").write_text("new")
    with pytest.raises(UserError, match="model exists already"), create(target):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "new"]


def test_a_failed_creation_leaves_nothing(tmp_path):
    def create() -> None:
        with create_dir_atomically(tmp_path / "model") as temporary:
            (temporary / "part").write_text("x")
            raise OSError(28, "No space left")

    with pytest.raises(UserError, match=r"model cannot be written \(No space left\)"):
        create()
    assert list(tmp_path.iterdir()) == []


def test_checking_a_folder_leaves_nothing(tmp_path):
    check_writable(tmp_path / "new" / "folder")
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("file/folder", "folder cannot be written .*; choose another name or folder"),
        ("loop/folder", "folder cannot be written .*; choose another name or folder"),
        ("n" * 256, "cannot be written .*; choose a shorter name"),
    ],
)
def test_a_folder_that_cannot_be_written_is_a_user_error(tmp_path, name, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=message):
        check_writable(tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before


def test_sha256(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert sha256_of(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_photos_and_labels_keep_their_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    for is_photo in (False, True):
        write_png(tmp_path / "x.png", Image.fromarray(pixels), is_photo=is_photo)
        with Image.open(tmp_path / "x.png") as image:
            np.testing.assert_array_equal(np.asarray(image), pixels)
