from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.check.folder import check_folder
from tests.labelled_folder import NAMES, SIZE, only_issue, relabel

LABELS = tuple(f"labels/{name}.png" for name in NAMES)


def test_binary_masks(root: Path) -> None:
    for name in NAMES:
        relabel(root, name, lambda ids: np.where(ids == 0, 0, 255))
    (root / "classes.txt").write_text("background\ncat")
    issues = check_folder(root).issues
    assert [issue.level for issue in issues] == ["error", "warning"]
    assert "hold only 0 and the value for unlabelled (255" in issues[0].message
    assert issues[0].items == LABELS
    assert issues[1].items == ("cat",)
    (root / "classes.txt").write_text("cat")
    assert "the same class at every labelled pixel" in only_issue(root, *LABELS).message


def test_labels_of_a_single_class_are_an_error(root: Path) -> None:
    for name in NAMES:
        relabel(root, name, lambda ids: np.where(ids == 255, 255, 1))
    error, warning = check_folder(root).issues
    assert (error.level, error.items) == ("error", LABELS)
    assert "the same class at every labelled pixel" in error.message
    assert warning.items == ("cat", "sky")


def test_a_split_without_a_labelled_pixel_is_an_error(root: Path) -> None:
    for name in NAMES[4:]:
        relabel(root, name, lambda ids: np.full_like(ids, 255))
    error, warning = check_folder(root).issues
    assert (error.level, error.items) == ("error", ("labels/val",))
    assert "without a single labelled pixel" in error.message
    assert (warning.level, warning.items) == ("warning", LABELS[4:])


def test_masks_of_0_and_1_with_one_name_need_a_second_name(root: Path) -> None:
    (root / "classes.txt").write_text("cat")
    for name in NAMES:
        relabel(root, name, lambda ids: np.minimum(ids, 1))
    assert "name both ids" in only_issue(root, *LABELS).fix
    # The advice leads to a folder without an issue.
    (root / "classes.txt").write_text("background\ncat")
    assert check_folder(root).issues == []


def test_labels_with_other_ids_are_not_binary_masks(root: Path) -> None:
    for name in NAMES:
        relabel(root, name, lambda ids: np.resize((0, 255, 128), ids.shape))
    (error,) = [issue for issue in check_folder(root).issues if issue.level == "error"]
    assert "128" in error.message


def test_binary_masks_in_one_split_are_a_warning(root: Path) -> None:
    for name in NAMES[4:]:
        relabel(root, name, lambda ids: np.where(ids == 0, 0, 255))
    only_issue(root, *LABELS[4:], level="warning")


@pytest.mark.parametrize("has_background", [False, True])
def test_ids_that_are_one_too_large(root: Path, has_background: bool) -> None:
    for name in NAMES:
        relabel(root, name, lambda ids: np.where(ids == 255, 0 if has_background else 255, ids + 1))
    issue, *others = check_folder(root).issues
    assert issue.level == "error"
    assert "the id 3 is one more than the last: ids start at 0" in issue.message
    assert "the 3 classes of the list have the ids 0 to 2" in issue.message
    assert issue.items == LABELS
    assert "subtract 1 from every id" in issue.fix
    assert ("write 255 where 0 is background" in issue.fix) == has_background
    # Without a 0 in any label, no label shows "cat".
    assert [other.items for other in others] == ([] if has_background else [("cat",)])


def test_invalid_ids(root: Path) -> None:
    for name, t in (("train/b", 7), ("val/a", 3), ("val/b", 254)):
        relabel(root, name, lambda ids, t=t: np.where(ids == 0, t, ids))
    issue = only_issue(root, "labels/train/b.png", "labels/val/a.png", "labels/val/b.png")
    assert "ids that are no class: 3, 7, 254; the 3 classes of the list have the ids 0 to 2" in issue.message


def test_invalid_ids_of_a_palette(root: Path) -> None:
    path = root / "labels/train/a.png"
    Image.fromarray(np.full(SIZE, 97, np.uint8)).save(path)
    indices = Image.open(path)
    indices.putpalette(list(range(256)) * 3)
    indices.save(path)
    assert "the indices and not the colours" in only_issue(root, "labels/train/a.png (palette)").fix


def blocks(size: tuple[int, int], *ids: int) -> np.ndarray:
    """A label of vertical stripes of equal width."""
    return np.repeat(np.array(ids, np.uint8), size[1] // len(ids))[None].repeat(size[0], axis=0)


@pytest.mark.parametrize("resample", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
def test_ids_made_by_interpolation_are_a_warning(root: Path, resample: Image.Resampling) -> None:
    # Between 0 and 2 the average is 1, another class.
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    disk = np.where((y - 20) ** 2 + (x - 24) ** 2 < 150, 2, 0).astype(np.uint8)
    for name in NAMES[1:]:
        small = Image.fromarray(disk).resize((60, 50), resample)
        small.resize(SIZE[::-1], resample).save(root / f"labels/{name}.png")
    items = tuple(f"labels/{name}.png (id 1)" for name in NAMES[1:])
    assert "resizing with interpolation" in only_issue(root, *items, level="warning").message
    for name in NAMES[1:]:
        Image.fromarray(disk).save(root / f"labels/{name}.png")
    assert check_folder(root).issues == []


def test_a_thin_class_in_a_single_label_is_no_issue(root: Path) -> None:
    for name in NAMES[1:]:
        relabel(root, name, lambda ids: blocks(SIZE, 0, 1, 2))
    relabel(root, "val/d", lambda ids: np.where(np.arange(SIZE[1]) == 24, 1, blocks(SIZE, 0, 2)))
    assert check_folder(root).issues == []
