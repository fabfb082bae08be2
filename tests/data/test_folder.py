import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.folder import FolderSource
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError


def test_reads_what_was_written(folder: Path) -> None:
    source = FolderSource(folder, "train")
    assert source.class_names == ("cat", "traffic light", "sky")
    assert [source[index]["name"] for index in range(len(source))] == [f"pet.{index}" for index in range(6)]
    for index, example in enumerate(source[index] for index in range(len(source))):
        image = np.asarray(Image.open(folder / f"images/train/pet.{index}.png"))
        label = np.asarray(Image.open(folder / f"labels/train/pet.{index}.png")).astype(np.int32)
        np.testing.assert_array_equal(example["image"], image)
        np.testing.assert_array_equal(example["label"], np.where(label == 255, IGNORE, label))


def test_skips_what_is_no_pair(folder: Path) -> None:
    (folder / "images/train/.hidden.png").write_bytes(b"junk")
    (folder / "images/train/notes.txt").write_text("junk")
    (folder / "images/train/folder.png").mkdir()
    (folder / "labels/train/.DS_Store").write_bytes(b"junk")
    (folder / "labels/train/without picture.png").write_bytes(b"junk")
    assert len(FolderSource(folder, "train")) == 6


def test_order_is_by_stem_whatever_the_suffix(folder: Path) -> None:
    picture = folder / "images/train/pet.0.png"
    Image.open(picture).save(folder / "images/train/pet.0.WEBP", lossless=True)
    picture.unlink()
    source = FolderSource(folder, "train")
    assert source[0]["name"] == "pet.0"
    assert source[5]["name"] == "pet.5"


def test_another_class_list(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("a\nb\nc\nd")
    (folder / "classes.txt").unlink()
    source = FolderSource(folder, "train", str(tmp_path / "other.txt"))
    assert source.class_names == ("a", "b", "c", "d")


def test_pickles(folder: Path) -> None:
    source = FolderSource(folder, "train")
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy[3]["image"], source[3]["image"])


def test_a_label_follows_the_upright_picture(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for index, turned in ((0, True), (1, False)):
        image = Image.new("RGB", (30, 20))
        label = Image.new("L", (20, 30) if turned else (30, 20))
        image.save(folder / f"images/train/pet.{index}.png", exif=exif if turned else None)
        label.save(folder / f"labels/train/pet.{index}.png")
    assert FolderSource(folder, "train")[0]["image"].shape == (30, 20, 3)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("", "is no folder"),
        ("images", "has no folder images"),
        ("labels", "has no folder labels"),
        ("images/train", "images has no split 'train': it has val"),
        ("labels/train", "labels has no split 'train': it has val"),
        ("classes.txt", r"has no classes\.txt"),
    ],
)
def test_something_is_missing(folder: Path, missing: str, message: str) -> None:
    for kind in ("images", "labels"):
        (folder / kind / "val").mkdir()
    path = folder / missing
    path.unlink() if path.is_file() else shutil.rmtree(path)
    with pytest.raises(UserError, match=message):
        FolderSource(folder, "train")


def test_an_empty_split(folder: Path) -> None:
    for kind in ("images", "labels"):
        (folder / kind / "val").mkdir()
    with pytest.raises(UserError, match="val holds no pictures"):
        FolderSource(folder, "val")


def test_pictures_without_labels_are_named_and_counted(folder: Path) -> None:
    for index in range(1, 5):
        (folder / f"labels/train/pet.{index}.png").unlink()
    names = r"pet\.1\.png, pet\.2\.png, pet\.3\.png, \.\.\. \(4 in all\)"
    with pytest.raises(UserError, match=f"no label for {names} in "):
        FolderSource(folder, "train")


def test_two_pictures_of_one_name(folder: Path) -> None:
    Image.new("RGB", (5, 5)).save(folder / "images/train/pet.2.jpg")
    with pytest.raises(UserError, match=r"pet\.2\.jpg and pet\.2\.png .* share the name pet\.2"):
        FolderSource(folder, "train")


def test_sizes_are_checked_before_anything_is_read(folder: Path) -> None:
    Image.new("L", (7, 9)).save(folder / "labels/train/pet.4.png")
    with pytest.raises(UserError, match=r"pet\.4\.png is 7x9 and its picture \d+x\d+"):
        FolderSource(folder, "train")


def test_label_modes_are_checked_before_anything_is_read(folder: Path) -> None:
    with Image.open(folder / "labels/train/pet.4.png") as label:
        label.convert("RGB").save(folder / "labels/train/pet.4.png")
    with pytest.raises(UserError, match=r"pet\.4\.png has the mode RGB"):
        FolderSource(folder, "train")


def test_ids_are_checked_against_the_class_list_in_use(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("cat\ntraffic light")
    source = FolderSource(folder, "train", str(tmp_path / "two.txt"))
    with pytest.raises(UserError, match=r"pet\.0\.png holds the class id 2, but with 2 classes"):
        source[0]
