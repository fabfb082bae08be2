from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.check.folder import check_folder
from tests.labelled_folder import NAMES, SIZE, only_issue, relabel, save


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_labels_with_colour_channels(root: Path, mode: str) -> None:
    Image.new(mode, SIZE[::-1]).save(root / "labels/val/c.png")
    assert "colour channels" in only_issue(root, f"labels/val/c.png ({mode})").message


def test_sizes_that_differ(root: Path) -> None:
    relabel(root, "val/b", lambda ids: ids[1:])
    assert "differ in size" in only_issue(root, "labels/val/b.png (48x39, not 48x40)").message


def test_label_that_was_not_rotated_with_its_image(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("train/a", "train/b"):
        with Image.open(root / f"images/{name}.png") as image:
            image.save(root / f"images/{name}.png", exif=exif)
    relabel(root, "train/b", lambda ids: np.rot90(ids, -1))
    issue = only_issue(root, "labels/train/a.png (48x40, not 40x48)")
    assert "EXIF orientation" in issue.message
    assert "rotate" in issue.fix


def test_files_that_are_truncated_or_empty_or_not_an_image(root: Path) -> None:
    for path in (root / "images/train/a.png", root / "labels/train/b.png"):
        path.write_bytes(path.read_bytes()[:-100])
    (root / "labels/val/a.png").write_text("no image")
    for path in (root / "images/val/c.png", root / "labels/val/d.png"):
        path.write_bytes(b"")
    broken, empty = check_folder(root).issues
    assert broken.items == ("images/train/a.png", "labels/train/b.png", "labels/val/a.png")
    assert "cannot be decoded" in broken.message
    assert empty.items == ("images/val/c.png", "labels/val/d.png")
    assert "empty" in empty.message
    assert broken.level == empty.level == "error"


def test_image_without_label_is_decoded_too(root: Path) -> None:
    (root / "labels/train/a.png").unlink()
    (root / "images/train/a.png").write_text("no image")
    assert [issue.items for issue in check_folder(root).issues] == [("images/train/a.png",)] * 2


def test_images_without_rgb_form(root: Path) -> None:
    (root / "images/train/a.png").unlink()
    Image.fromarray(np.zeros(SIZE, np.float32)).save(root / "images/train/a.tif")
    assert "no RGB form" in only_issue(root, "images/train/a.tif").message


def test_label_without_labelled_pixels(root: Path) -> None:
    relabel(root, "train/d", lambda ids: np.full_like(ids, 255))
    issue = only_issue(root, "labels/train/d.png", level="warning")
    assert "single labelled pixel" in issue.message


def test_small_images(root: Path) -> None:
    save(root, "val/a", np.zeros((31, 60, 3)), np.zeros((31, 60)))
    assert "under 32 pixels" in only_issue(root, "images/val/a.png (60x31)", level="warning").message
    save(root, "val/a", np.zeros((32, 60, 3)), np.zeros((32, 60)))
    assert check_folder(root).issues == []


def test_palette_labels_of_class_ids(root: Path) -> None:
    for name in NAMES:
        with Image.open(root / f"labels/{name}.png") as label:
            label.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
            label.save(root / f"labels/{name}.png")
    assert check_folder(root).issues == []


def test_16_bits(root: Path) -> None:
    for name in NAMES:
        relabel(root, name, lambda ids: np.where(ids == 255, 65535, ids), np.uint16)
    assert check_folder(root).issues == []
    assert (check_folder(root).splits["train"].unlabelled or 0) > 0
    relabel(root, "val/a", lambda ids: np.where(ids == 65535, 255, ids), np.uint16)
    assert "write 65535" in only_issue(root, "labels/val/a.png").fix
    relabel(root, "val/a", lambda ids: np.where(ids == 0, 1000, ids), np.uint16)
    assert len(check_folder(root).issues) == 2


def test_255_is_a_class_of_a_long_list_with_16_bits(root: Path) -> None:
    (root / "classes.txt").write_text("\n".join(f"thing {t}" for t in range(300)))
    relabel(root, "train/a", lambda ids: ids, np.uint16)
    (issue,) = check_folder(root).issues
    assert issue.level == "warning"
    assert "no label shows" in issue.message
    assert len(issue.items) == 300 - 4  # labels hold 0, 1, 2 and 255


def turn(path: Path, orientation: int) -> None:
    """Gives a file an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(path) as image:
        image.save(path, exif=exif)


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_orientation_that_keeps_the_size_is_a_warning(root: Path, orientation: int) -> None:
    turn(root / "images/val/c.png", orientation)
    item = f"labels/val/c.png (EXIF orientation {orientation})"
    issue = only_issue(root, item, level="warning")
    assert "may not be turned" in issue.message
    turn(root / "labels/val/c.png", orientation)  # the label says it too
    assert check_folder(root).issues == []


def test_orientation_of_a_square_image_is_a_warning(root: Path) -> None:
    for kind in ("images", "labels"):
        with Image.open(root / f"{kind}/val/c.png") as image:
            image.crop((0, 0, 40, 40)).save(root / f"{kind}/val/c.png")
    assert check_folder(root).issues == []
    turn(root / "images/val/c.png", 6)
    only_issue(root, "labels/val/c.png (EXIF orientation 6)", level="warning")


def test_label_turned_by_its_own_orientation_fits(root: Path) -> None:
    for kind in ("images", "labels"):
        turn(root / f"{kind}/train/a.png", 6)
    assert check_folder(root).issues == []


def test_several_frames(root: Path) -> None:
    path = root / "images/train/a.png"
    with Image.open(path) as image:
        image.save(path, save_all=True, append_images=[Image.new("RGB", image.size)])
    assert "pages or frames" in only_issue(root, "images/train/a.png", level="warning").message


def test_fewer_than_16_bits(root: Path) -> None:
    grey = np.linspace(0, 4000, SIZE[0] * SIZE[1]).reshape(SIZE).astype(np.uint16)
    Image.fromarray(grey).save(root / "images/train/a.png")
    remark = "uses 12 of 16 bits: its values are scaled by their range, 0 to 4095"
    only_issue(root, f"images/train/a.png ({remark})", level="warning")
    Image.fromarray(grey * 16).save(root / "images/train/a.png")
    assert check_folder(root).issues == []


def test_files_that_stand_for_others(root: Path) -> None:
    (root / "images/train/a.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (root / "labels/train/b.png").write_text("<!DOCTYPE html><html>")
    pointer, page = check_folder(root).issues
    assert pointer.items == ("images/train/a.png (is a pointer of Git LFS, not the file)",)
    assert (pointer.level, pointer.fix) == ("error", "run git lfs pull")
    assert page.items == ("labels/train/b.png (is a web page, not the file)",)


def test_label_turned_against_its_image_is_named(root: Path) -> None:
    """The image has no orientation, so turning the label like it would change nothing."""
    turn(root / "labels/val/c.png", 6)
    (issue,) = check_folder(root).issues
    assert issue.level == "error"
    assert "labels with an EXIF orientation of their own" in issue.message
