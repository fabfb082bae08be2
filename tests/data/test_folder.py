import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.folder import FolderSource
from hclip_jax.data.loader import train_batches
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from tests.fuzz.image_files import RAMP, RGB, encoded, exif


def test_examples_equal_the_files(folder: Path) -> None:
    source = FolderSource(folder, "train")
    assert source.class_names == ("cat", "traffic light", "sky")
    assert [source[index]["name"] for index in range(len(source))] == [f"pet.{index}" for index in range(6)]
    for index, example in enumerate(source[index] for index in range(len(source))):
        image = np.asarray(Image.open(folder / f"images/train/pet.{index}.png"))
        label = np.asarray(Image.open(folder / f"labels/train/pet.{index}.png")).astype(np.int32)
        np.testing.assert_array_equal(example["image"], image)
        np.testing.assert_array_equal(example["label"], np.where(label == 255, IGNORE, label))


def test_skips_files_that_form_no_pair(folder: Path) -> None:
    (folder / "images/train/.hidden.png").write_bytes(b"junk")
    (folder / "images/train/notes.txt").write_text("junk")
    (folder / "images/train/folder.png").mkdir()
    (folder / "labels/train/.DS_Store").write_bytes(b"junk")
    (folder / "labels/train/without image.png").write_bytes(b"junk")
    assert len(FolderSource(folder, "train")) == 6


def test_order_is_by_stem_for_any_suffix(folder: Path) -> None:
    path = folder / "images/train/pet.0.png"
    Image.open(path).save(folder / "images/train/pet.0.WEBP", lossless=True)
    path.unlink()
    source = FolderSource(folder, "train")
    assert source[0]["name"] == "pet.0"
    assert source[5]["name"] == "pet.5"


def test_classes_file_replaces_the_class_list(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("a\nb\nc\nd")
    (folder / "classes.txt").unlink()
    source = FolderSource(folder, "train", str(tmp_path / "other.txt"))
    assert source.class_names == ("a", "b", "c", "d")


def test_pickles(folder: Path) -> None:
    source = FolderSource(folder, "train")
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy[3]["image"], source[3]["image"])


def test_label_size_is_compared_with_the_upright_image(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for index, is_rotated in ((0, True), (1, False)):
        image = Image.new("RGB", (30, 20))
        label = Image.new("L", (20, 30) if is_rotated else (30, 20))
        image.save(folder / f"images/train/pet.{index}.png", exif=exif if is_rotated else None)
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
def test_missing_parts_are_named(folder: Path, missing: str, message: str) -> None:
    for kind in ("images", "labels"):
        (folder / kind / "val").mkdir()
    path = folder / missing
    path.unlink() if path.is_file() else shutil.rmtree(path)
    with pytest.raises(UserError, match=message):
        FolderSource(folder, "train")


def test_empty_split(folder: Path) -> None:
    for kind in ("images", "labels"):
        (folder / kind / "val").mkdir()
    with pytest.raises(UserError, match="images/val holds no images: add files ending in"):
        FolderSource(folder, "val")


def test_images_without_labels_are_named_and_counted(folder: Path) -> None:
    for index in range(1, 5):
        (folder / f"labels/train/pet.{index}.png").unlink()
    names = r"pet\.1\.png, pet\.2\.png, pet\.3\.png, \.\.\. \(4 in all\)"
    with pytest.raises(UserError, match=f"no label for {names} in "):
        FolderSource(folder, "train")


def test_label_that_is_not_png_does_not_count(folder: Path) -> None:
    (folder / "labels/train/pet.2.png").rename(folder / "labels/train/pet.2.jpg")
    with pytest.raises(UserError, match=r"no label for pet\.2\.png in .* add a PNG of the same name"):
        FolderSource(folder, "train")


@pytest.mark.parametrize(("kind", "first", "second"), [("images", "jpg", "png"), ("labels", "PNG", "png")])
def test_two_files_with_the_same_stem(folder: Path, kind: str, first: str, second: str) -> None:
    Image.new("RGB", (5, 5)).save(folder / f"{kind}/train/pet.2.{first}")
    names = rf"pet\.2\.{first} and pet\.2\.{second} in .*{kind}/train share the name pet\.2"
    with pytest.raises(UserError, match=names):
        FolderSource(folder, "train")


def test_sizes_are_checked_in_the_constructor(folder: Path) -> None:
    Image.new("L", (7, 9)).save(folder / "labels/train/pet.4.png")
    with pytest.raises(UserError, match=r"pet\.4\.png is 7x9 and its image \d+x\d+"):
        FolderSource(folder, "train")


def test_label_modes_are_checked_in_the_constructor(folder: Path) -> None:
    with Image.open(folder / "labels/train/pet.4.png") as label:
        label.convert("RGB").save(folder / "labels/train/pet.4.png")
    with pytest.raises(UserError, match=r"pet\.4\.png has the mode RGB"):
        FolderSource(folder, "train")


def test_ids_are_compared_with_the_classes_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("cat\ntraffic light")
    source = FolderSource(folder, "train", str(tmp_path / "two.txt"))
    with pytest.raises(UserError, match=r"pet\.0\.png holds the class id 2, but with 2 classes"):
        source[0]


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_dead_links_are_refused(folder: Path, kind: str) -> None:
    path = folder / f"{kind}/train/pet.3.png"
    path.unlink()
    path.symlink_to("/gone/pet.3.png")
    with pytest.raises(UserError, match=rf"{kind}/train lead to no file: pet\.3\.png -> /gone/pet\.3\.png; "):
        FolderSource(folder, "train")


def test_files_without_permission_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "pet.3.png")
    with pytest.raises(
        UserError, match=r"files in .*images/train and .*labels/train may not be read: pet\.3"
    ):
        FolderSource(folder, "train")


def test_a_split_that_is_a_dead_link(folder: Path) -> None:
    (folder / "images/val").symlink_to("/gone/val")
    with pytest.raises(
        UserError, match=r"no split 'val': it has train \(the link val leads to /gone/val, where"
    ):
        FolderSource(folder, "val")


def test_images_that_lie_deeper_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("images", "labels"):
        (folder / f"{kind}/train/aachen").mkdir()
        shutil.copy(folder / f"{kind}/train/pet.0.png", folder / f"{kind}/train/aachen")
    assert len(FolderSource(folder, "train")) == 6
    out = capsys.readouterr().out
    assert out.startswith("warning: not used, in ")
    assert out.endswith("folders with images, but only files of the split itself are read: aachen, aachen\n")
    for kind in ("images", "labels"):
        for path in (folder / f"{kind}/train").glob("*.png"):
            path.unlink()
    with pytest.raises(
        UserError, match=r"train holds no images: only folders in it do \(aachen\); move their"
    ):
        FolderSource(folder, "train")


def test_labels_without_an_image_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "images/train/pet.2.png").rename(folder / "images/train/pet.2.heic")
    assert len(FolderSource(folder, "train")) == 5
    out = capsys.readouterr().out
    assert out == f"warning: not used, in {folder / 'labels/train'}: labels without an image: pet.2.png\n"


def test_ignored_ids_give_the_batches_of_rewritten_labels(folder: Path, tmp_path: Path) -> None:
    """As CamVid: 11 means "no label", and so does 1, which is a class of the list."""
    rewritten = tmp_path / "rewritten"
    shutil.copytree(folder, rewritten)
    for index, path in enumerate(sorted((folder / "labels/train").iterdir())):
        raw = np.asarray(Image.open(path)).astype(np.uint16 if index == 0 else np.uint8)
        unlabelled = 65535 if index == 0 else 255
        raw[raw == 255] = 11
        Image.fromarray(raw).save(path)
        Image.fromarray(np.where(np.isin(raw, (1, 11)), np.array(unlabelled, raw.dtype), raw)).save(
            rewritten / "labels/train" / path.name
        )
    with pytest.raises(UserError, match="holds the class id 11"):
        FolderSource(folder, "train")[0]
    options = {"batch_size": 4, "crop_size": 16, "seed": 0, "num_workers": 0}
    streams = [
        train_batches(FolderSource(folder, "train", ignore=(1, 11)), **options),
        train_batches(FolderSource(rewritten, "train"), **options),
    ]
    for _ in range(4):
        batch, expected = (next(stream) for stream in streams)
        np.testing.assert_array_equal(batch["image"], expected["image"])
        np.testing.assert_array_equal(batch["label"], expected["label"])
    for stream in streams:
        stream.close()


def late_exif(path: Path, image: Image.Image, orientation: int) -> None:
    """Writes a PNG with the EXIF data behind its pixels; Pillow writes them before."""
    content = encoded(image, "PNG", exif=exif(orientation))
    start = content.index(b"eXIf") - 4
    stop = start + 12 + int.from_bytes(content[start : start + 4])
    end = content.index(b"IEND") - 4
    path.write_bytes(content[:start] + content[stop:end] + content[start:stop] + content[end:])


def test_exif_data_behind_the_pixels(folder: Path) -> None:
    image, label = folder / "images/train/pet.0.png", folder / "labels/train/pet.0.png"
    late_exif(image, Image.fromarray(RGB), 6)
    ids = RAMP % 3
    Image.fromarray(np.rot90(ids, -1).copy()).save(label)
    assert FolderSource(folder, "train")[0]["image"].shape[:2] == (20, 12)
    late_exif(label, Image.fromarray(ids), 6)
    np.testing.assert_array_equal(FolderSource(folder, "train")[0]["label"], np.rot90(ids, -1))
    Image.fromarray(ids).save(label)  # the headers agree
    source = FolderSource(folder, "train")
    with pytest.raises(UserError, match=r"pet\.0\.png is 20x12 and its image 12x20: make each label"):
        source[0]
