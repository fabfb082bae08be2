import os
from pathlib import Path

import pytest

from hclip_jax.data import listing
from hclip_jax.data.listing import LeftOut, describe, list_images
from hclip_jax.errors import UserError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with everything that a listing tells apart."""
    for name in ("b.JPG", "a.png", "notes.txt", "c.heic", "._a.png", "deep/er/d.png", "empty/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "dead.tif").symlink_to("/gone/dead.tif")
    (tmp_path / "dead.txt").symlink_to("/gone/dead.txt")
    (tmp_path / "deep/.hidden.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    return tmp_path


def test_every_entry_is_an_image_or_left_out_for_a_reason(photos: Path) -> None:
    found = list_images(photos)
    assert [path.name for path in found.images] == ["a.png", "b.JPG"]
    assert {path.name: reason for path, reason in found.left_out.items()} == {
        "._a.png": LeftOut.OTHER,
        "c.heic": LeftOut.FOREIGN,
        "dead.tif": LeftOut.DEAD_LINK,
        "dead.txt": LeftOut.OTHER,
        "deep": LeftOut.DEEPER,
        "empty": LeftOut.OTHER,
        "notes.txt": LeftOut.OTHER,
        "pipe.png": LeftOut.OTHER,
    }
    assert found.lost() == [photos / "dead.tif"]
    assert describe(found.lost()) == "dead.tif -> /gone/dead.tif"
    assert found.summary(without=photos / "out") == (
        "dead links (dead.tif -> /gone/dead.tif), images of other formats (c.heic), "
        "folders with images (deep)"
    )
    assert "deep" not in found.summary(without=photos / "empty/../deep")


def test_links_that_form_a_circle(photos: Path) -> None:
    (photos / "dead.tif").unlink()
    (photos / "dead.tif").symlink_to("dead.tif")
    assert list_images(photos).summary(photos / "out").startswith("dead links (dead.tif -> dead.tif)")


def test_a_file_without_permission(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The administrator may read everything, so that the permissions of a real file would not do.
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "a.png")
    found = list_images(photos)
    assert found.of(LeftOut.UNREADABLE) == [photos / "a.png"]
    assert [path.name for path in found.images] == ["b.JPG"]


def test_a_folder_that_cannot_be_listed_is_named(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(
        UserError, match=r"cannot be listed \(Permission denied\): give a folder that you may read"
    ):
        list_images(photos)


def test_folders_below_are_searched_up_to_a_limit(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_MAX_FOLDERS", 0)
    assert list_images(photos).of(LeftOut.DEEPER) == []  # deep/er is the second folder
