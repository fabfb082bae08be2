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


def test_ids_that_start_at_1_below_the_length_of_the_list(root: Path) -> None:
    for name in NAMES:
        relabel(root, name, lambda ids: np.maximum(ids, 1))
    assert "if the ids start at 1, subtract 1" in only_issue(root, "cat", level="warning").fix


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


def test_classes_that_no_label_shows(root: Path) -> None:
    (root / "classes.txt").write_text("cat\ntraffic light\nsky\nunicorn\nyeti")
    assert "subtract" not in only_issue(root, "unicorn", "yeti", level="warning").fix


def test_classes_that_no_label_of_train_shows(root: Path) -> None:
    for name in NAMES[:4]:
        relabel(root, name, lambda ids: np.where(ids == 2, 255, ids))
    assert "none in train" in only_issue(root, "sky", level="warning").message
    for kind in ("images", "labels"):
        (root / kind / "train").rename(root / kind / "test")
    assert check_folder(root).issues == []  # there is no training split


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cat\ncat\nsky", "line 1 and line 2 are both 'cat'"),
        (b"cat\n\nsky", "line 2 is ''"),
        (b"cat\nhu\xfct\nsky", "not UTF-8"),
    ],
)
def test_ids_are_checked_with_an_invalid_class_list(root: Path, content: bytes, message: str) -> None:
    (root / "classes.txt").write_bytes(content)
    assert message in only_issue(root, "classes.txt").message
    relabel(root, "val/a", lambda ids: ids + 3)
    issues = check_folder(root).issues
    assert [issue.level for issue in issues] == ["error", "error"]
    assert "the 3 classes" in issues[1].message


@pytest.mark.parametrize("content", [None, b"", b"\n"])
def test_without_a_class_list_every_id_may_be_a_class(root: Path, content: bytes | None) -> None:
    (root / "classes.txt").unlink()
    if content is not None:
        (root / "classes.txt").write_bytes(content)
    only_issue(root, "classes.txt")
    assert [summary.name for summary in check_folder(root).classes] == ["id 0", "id 1", "id 2"]


def test_classes_file_replaces_the_class_list(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.txt"
    path.write_text("cat\ntraffic light")
    assert "one more than the last" in only_issue(root, *LABELS, classes_file=str(path)).message


def test_class_names_that_clip_cannot_encode_well(root: Path) -> None:
    (root / "classes.txt").write_text("cat\ntraffic_light\nsky")
    assert "'traffic light'" in only_issue(root, "traffic_light", level="warning").fix
    long = "very " * 80 + "blue sky"
    (root / "classes.txt").write_text(f"cat\ntraffic light\n{long}")
    assert "77 tokens" in only_issue(root, f"{long[:57]}...").message
    (root / "classes.txt").write_text("cat, , kitten\ntraffic light\nsky")
    issue = only_issue(root, "classes.txt")
    assert issue.message.endswith("line 1: class 'cat, , kitten' holds an empty synonym")
    assert issue.fix == 'separate synonyms by one ", " each'
    (root / "classes.txt").write_text("cat, kitten\nCat\nsky")
    issue = only_issue(root, "'cat, kitten' = 'Cat' (read as 'cat')", level="warning")
    assert "first synonym" in issue.message
    (root / "classes.txt").write_text("cat\nCat\nsky")
    assert "line 1 and line 2 are 'cat' and 'Cat'" in only_issue(root, "classes.txt").message
