import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from hclip_jax.data.check.folder import check_folder
from tests.labelled_folder import only_issue, relabel


def test_labels_that_are_not_png(root: Path) -> None:
    for name, kind, suffix in (
        ("train/a", "JPEG", "jpg"),
        ("train/b", "JPEG", "png"),
        ("val/d", "TIFF", "tif"),
    ):
        path = root / f"labels/{name}.png"
        with Image.open(path) as label:
            label.load()
        path.unlink()
        label.save(path.with_suffix(f".{suffix}"), kind)
    items = ("labels/train/a.jpg (JPG)", "labels/val/d.tif (TIF)", "labels/train/b.png (JPEG)")
    assert "not stored as PNG" in only_issue(root, *items).message


def test_png_label_is_used_before_a_jpeg_of_the_same_name(root: Path) -> None:
    shutil.copy(root / "images/train/a.png", root / "labels/train/a.jpg")
    only_issue(root, "labels/train/a.jpg (JPG)")
    relabel(root, "train/a", lambda ids: ids + 9)
    assert len(check_folder(root).issues) == 2


def test_images_without_label_and_labels_without_image(root: Path) -> None:
    for letter in "abcd":
        (root / f"labels/val/{letter}.png").rename(root / f"labels/val/{letter}_mask.png")
    no_label, no_image = check_folder(root).issues
    assert no_label.level == "error"
    assert no_label.items == tuple(f"images/val/{letter}.png" for letter in "abcd")
    assert no_image.level == "warning"
    assert no_image.items == tuple(f"labels/val/{letter}_mask.png" for letter in "abcd")


def test_split_without_labels(root: Path) -> None:
    shutil.rmtree(root / "labels/val")
    only_issue(root, *(f"images/val/{letter}.png" for letter in "abcd"))


def test_split_without_images(root: Path) -> None:
    (root / "images/test").mkdir()
    assert "without an image" in only_issue(root, "images/test").message


@pytest.mark.parametrize(
    ("kind", "suffix", "item"),
    [("images", "jpg", "images/train/a.png (a.jpg)"), ("labels", "PNG", "labels/train/a.png (a.PNG)")],
)
def test_two_files_with_the_same_stem(root: Path, kind: str, suffix: str, item: str) -> None:
    with Image.open(root / f"{kind}/train/a.png") as file:
        file.save(root / f"{kind}/train/a.{suffix}")
    assert "in the suffix only" in only_issue(root, item).message


def test_ignored_files_and_folders(root: Path) -> None:
    files = ("images/loose.png", "images/train/.hidden.png", "labels/val/notes.txt")
    folders = ("images/.thumbnails", "images/val/nested.png")
    for name in files:
        (root / name).write_text("junk")
    for name in folders:
        (root / name).mkdir()
    only_issue(root, *sorted(files + folders), level="warning")


def test_dead_links(root: Path) -> None:
    path = root / "images/train/a.png"
    path.unlink()
    path.symlink_to("/gone/a.png")
    issue = only_issue(root, "images/train/a.png (-> /gone/a.png)")
    assert "lead to no file" in issue.message


def test_files_without_permission(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != root / "labels/val/c.png")
    assert "no permission" in only_issue(root, "labels/val/c.png").message


def test_folders_with_images_below_a_split(root: Path) -> None:
    for kind in ("images", "labels"):
        (root / kind / "train").rename(root / kind / "city")
        (root / kind / "train").mkdir()
        (root / kind / "city").rename(root / kind / "train/city")
    error, deeper = check_folder(root).issues
    assert (error.level, error.items) == ("error", ("images/train",))
    assert (deeper.level, deeper.items) == ("warning", ("images/train/city", "labels/train/city"))
    assert "move their files up" in deeper.fix


def test_names_that_no_terminal_shows_are_escaped(root: Path) -> None:
    name = os.fsdecode(b"images/train/\xe9\x1b[1m\n.png")
    (root / name).write_bytes((root / "images/train/a.png").read_bytes())
    only_issue(root, r"images/train/\udce9\x1b[1m\n.png")
