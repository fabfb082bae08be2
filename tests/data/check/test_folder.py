import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.check.folder import check_folder
from hclip_jax.data.folder import FolderSource
from hclip_jax.errors import UserError
from hclip_jax.tools.check_previews import choose_previews, paint_preview
from tests.labelled_folder import CLASSES, NAMES, SIZE, found, make_folder, relabel, save


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_folder(tmp_path / "pets")
    return tmp_path / "pets"


def test_a_good_folder(root: Path) -> None:
    report = check_folder(root)
    assert report.findings == []
    assert [len(FolderSource(root, split)) for split in ("train", "val")] == [4, 4]
    labels = {name: np.asarray(Image.open(root / f"labels/{name}.png")) for name in NAMES}
    assert list(report.splits) == ["train", "val"]
    for split, summary in report.splits.items():
        unlabelled = [labels[name] == 255 for name in NAMES if name.startswith(split)]
        assert summary.pictures == 4
        assert summary.smallest == summary.largest == SIZE
        assert summary.unlabelled == pytest.approx(np.mean(unlabelled))
    for t, summary in enumerate(report.classes):
        assert (summary.id, summary.name, summary.pictures) == (t, CLASSES[t], {"train": 4, "val": 4})
        assert summary.pixels == sum((label == t).sum() for label in labels.values())


def test_a_summary_of_different_pictures(root: Path) -> None:
    save(root, "train/a", np.zeros((33, 90, 3)), np.full((33, 90), 255))
    relabel(root, "train/b", lambda ids: np.maximum(ids, 1))
    report = check_folder(root)
    assert (report.splits["train"].smallest, report.splits["train"].largest) == (SIZE, (33, 90))
    assert [summary.pictures["train"] for summary in report.classes] == [2, 3, 3]
    for kind in ("images", "labels"):
        (root / kind / "val").rename(root / kind / "dev")
    assert list(check_folder(root).splits) == ["train", "dev"]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_labels_with_colours(root: Path, mode: str) -> None:
    Image.new(mode, SIZE[::-1]).save(root / "labels/val/c.png")
    assert "colour channels" in found(root, f"labels/val/c.png ({mode})").what


def test_labels_that_are_no_png(root: Path) -> None:
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
    finding = found(root, "labels/train/a.jpg (JPG)", "labels/val/d.tif (TIF)", "labels/train/b.png (JPEG)")
    assert "not stored as PNG" in finding.what


def test_a_png_goes_before_a_jpeg_of_its_name(root: Path) -> None:
    shutil.copy(root / "images/train/a.png", root / "labels/train/a.jpg")
    found(root, "labels/train/a.jpg (JPG)")
    relabel(root, "train/a", lambda ids: ids + 9)
    assert len(check_folder(root).findings) == 2  # a.png was still read


def test_sizes_that_differ(root: Path) -> None:
    relabel(root, "val/b", lambda ids: ids[1:])
    assert "differ in size" in found(root, "labels/val/b.png (48x39, not 48x40)").what


def test_a_label_that_was_not_turned_with_its_picture(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("train/a", "train/b"):
        with Image.open(root / f"images/{name}.png") as picture:
            picture.save(root / f"images/{name}.png", exif=exif)
    relabel(root, "train/b", lambda ids: np.rot90(ids, -1))
    finding = found(root, "labels/train/a.png (48x40, not 40x48)")
    assert "EXIF orientation" in finding.what
    assert "turn" in finding.fix


def test_pictures_without_label_and_labels_without_picture(root: Path) -> None:
    for letter in "abcd":
        (root / f"labels/val/{letter}.png").rename(root / f"labels/val/{letter}_mask.png")
    no_label, no_picture = check_folder(root).findings
    assert no_label.level == "error"
    assert no_label.where == tuple(f"images/val/{letter}.png" for letter in "abcd")
    assert no_picture.level == "warning"
    assert no_picture.where == tuple(f"labels/val/{letter}_mask.png" for letter in "abcd")


def test_a_split_without_labels(root: Path) -> None:
    shutil.rmtree(root / "labels/val")
    found(root, *(f"images/val/{letter}.png" for letter in "abcd"))


def test_a_split_without_pictures(root: Path) -> None:
    (root / "images/test").mkdir()
    assert "without a picture" in found(root, "images/test").what


@pytest.mark.parametrize(("kind", "second"), [("images", "jpg"), ("labels", "PNG")])
def test_two_files_of_one_stem(root: Path, kind: str, second: str) -> None:
    with Image.open(root / f"{kind}/train/a.png") as file:
        file.save(root / f"{kind}/train/a.{second}")
    (finding,) = check_folder(root).findings
    assert finding.level == "error"
    assert len(finding.where) == 1
    assert "differ from another of their folder in the suffix only" in finding.what


def test_files_that_are_cut_off_or_empty_or_no_pictures(root: Path) -> None:
    for path in (root / "images/train/a.png", root / "labels/train/b.png"):
        path.write_bytes(path.read_bytes()[:-100])
    (root / "labels/val/a.png").write_text("no picture")
    for path in (root / "images/val/c.png", root / "labels/val/d.png"):
        path.write_bytes(b"")
    broken, empty = check_folder(root).findings
    assert broken.where == ("images/train/a.png", "labels/train/b.png", "labels/val/a.png")
    assert "cannot be decoded" in broken.what
    assert empty.where == ("images/val/c.png", "labels/val/d.png")
    assert "empty" in empty.what
    assert broken.level == empty.level == "error"


def test_a_picture_without_label_is_decoded_too(root: Path) -> None:
    (root / "labels/train/a.png").unlink()
    (root / "images/train/a.png").write_text("no picture")
    assert [finding.where for finding in check_folder(root).findings] == [("images/train/a.png",)] * 2


def test_pictures_without_rgb_form(root: Path) -> None:
    (root / "images/train/a.png").unlink()
    Image.fromarray(np.zeros(SIZE, np.float32)).save(root / "images/train/a.tif")
    assert "no RGB form" in found(root, "images/train/a.tif").what


def test_what_is_ignored(root: Path) -> None:
    files = ("images/loose.png", "images/train/.hidden.png", "labels/val/notes.txt")
    folders = ("images/.thumbnails", "images/val/nested.png")
    for name in files:
        (root / name).write_text("junk")
    for name in folders:
        (root / name).mkdir()
    found(root, *sorted(files + folders), level="warning")


def test_a_label_without_labels(root: Path) -> None:
    relabel(root, "train/d", lambda ids: np.full_like(ids, 255))
    assert "single labelled pixel" in found(root, "labels/train/d.png", level="warning").what


def test_small_pictures(root: Path) -> None:
    save(root, "val/a", np.zeros((31, 60, 3)), np.zeros((31, 60)))
    assert "under 32 pixels" in found(root, "images/val/a.png (60x31)", level="warning").what
    save(root, "val/a", np.zeros((32, 60, 3)), np.zeros((32, 60)))
    assert check_folder(root).findings == []


def test_a_picture_in_both_splits(root: Path) -> None:
    shutil.copy(root / "images/train/c.png", root / "images/val/b.png")
    shutil.copy(root / "images/train/c.png", root / "images/train/d.png")  # a duplicate, but no leak
    assert "byte for byte" in found(root, "images/val/b.png (train/c.png)", level="warning").what


@pytest.mark.parametrize("missing", ["", "images", "labels", "splits"])
def test_no_labelled_folder_at_all(root: Path, missing: str) -> None:
    if missing == "splits":
        for kind in ("images", "labels"):
            shutil.rmtree(root / kind)
            (root / kind).mkdir()
    else:
        shutil.rmtree(root / missing)
    with pytest.raises(UserError, match=r"is no folder|has no folder|have no folders"):
        check_folder(root)


def test_everything_at_once_with_errors_first(root: Path) -> None:
    (root / "classes.txt").write_text("cat\ntraffic_light\nsky")
    relabel(root, "train/a", lambda ids: ids[:-1])
    relabel(root, "train/b", lambda ids: ids + 5)
    (root / "images/val/c.png").write_bytes(b"")
    report = check_folder(root)
    assert [finding.level for finding in report.findings] == ["error"] * 3 + ["warning"]
    assert (report.count("error"), report.count("warning")) == (3, 1)


def test_previews_cover_classes_greedily(root: Path) -> None:
    shown = {"a": [0], "b": [1, 2], "c": [1, 2], "d": [0, 1]}
    for letter, ids in shown.items():
        relabel(root, f"train/{letter}", lambda label, ids=ids: np.resize(ids, label.shape))
    relabel(root, "val/a", lambda ids: ids[1:])
    report = check_folder(root)
    train = [pair for pair in report.pairs if pair.split == "train"]
    assert [pair.picture.stem for pair in choose_previews(train, 3)] == ["b", "d", "c"]
    assert len(choose_previews(train, 9)) == 4
    val = [pair for pair in report.pairs if pair.split == "val"]
    assert "a" not in [pair.picture.stem for pair in choose_previews(val, 9)]  # sizes differ


def test_a_preview_leaves_out_what_is_no_class(root: Path) -> None:
    def pixels() -> bytes:
        (pair,) = choose_previews([pair for pair in check_folder(root).pairs if pair.split == "val"], 1)
        file = io.BytesIO()
        paint_preview(pair, CLASSES).save(file, "PNG")
        return file.getvalue()

    for name in NAMES[5:]:
        relabel(root, name, lambda ids: np.full_like(ids, 255))
    as_it_is = pixels()
    relabel(root, "val/a", lambda ids: np.where(ids == 2, 255, ids))
    unlabelled = pixels()
    relabel(root, "val/a", lambda ids: np.where(ids == 255, 99, ids))
    assert unlabelled == pixels() != as_it_is
