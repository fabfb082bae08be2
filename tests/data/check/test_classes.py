from pathlib import Path

import numpy as np
import pytest

from hclip_jax.data.check.folder import check_folder
from tests.labelled_folder import NAMES, only_issue, relabel

LABELS = tuple(f"labels/{name}.png" for name in NAMES)


def test_ids_that_start_at_1_below_the_length_of_the_list(root: Path) -> None:
    for name in NAMES:
        relabel(root, name, lambda ids: np.maximum(ids, 1))
    assert "if the ids start at 1, subtract 1" in only_issue(root, "cat", level="warning").fix


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
