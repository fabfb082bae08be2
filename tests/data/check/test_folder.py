import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.check.folder import check_folder
from hclip_jax.data.folder import FolderSource
from hclip_jax.errors import UserError
from tests.labelled_folder import CLASS_NAMES, NAMES, SIZE, only_issue, relabel, save


def test_folder_without_issues(root: Path) -> None:
    report = check_folder(root)
    assert report.issues == []
    assert [len(FolderSource(root, split)) for split in ("train", "val")] == [4, 4]
    labels = {name: np.asarray(Image.open(root / f"labels/{name}.png")) for name in NAMES}
    assert list(report.splits) == ["train", "val"]
    for split, summary in report.splits.items():
        is_unlabelled = [labels[name] == 255 for name in NAMES if name.startswith(split)]
        assert summary.images == 4
        assert summary.smallest == summary.largest == SIZE
        assert summary.unlabelled == pytest.approx(np.mean(is_unlabelled))
    for t, summary in enumerate(report.classes):
        assert (summary.id, summary.name, summary.images) == (t, CLASS_NAMES[t], {"train": 4, "val": 4})
        assert summary.pixels == sum((label == t).sum() for label in labels.values())


def test_summary_of_images_of_different_sizes(root: Path) -> None:
    save(root, "train/a", np.zeros((33, 90, 3)), np.full((33, 90), 255))
    relabel(root, "train/b", lambda ids: np.maximum(ids, 1))
    report = check_folder(root)
    assert (report.splits["train"].smallest, report.splits["train"].largest) == (SIZE, (33, 90))
    assert [summary.images["train"] for summary in report.classes] == [2, 3, 3]
    for kind in ("images", "labels"):
        (root / kind / "val").rename(root / kind / "dev")
    assert list(check_folder(root).splits) == ["train", "dev"]


def test_image_in_both_splits(root: Path) -> None:
    shutil.copy(root / "images/train/c.png", root / "images/val/b.png")
    shutil.copy(root / "images/train/c.png", root / "images/train/d.png")  # a duplicate, but not a leak
    issue = only_issue(root, "images/val/b.png (train/c.png)", level="warning")
    assert "byte for byte" in issue.message


@pytest.mark.parametrize("missing", ["", "images", "labels", "splits"])
def test_not_a_labelled_folder(root: Path, missing: str) -> None:
    if missing == "splits":
        for kind in ("images", "labels"):
            shutil.rmtree(root / kind)
            (root / kind).mkdir()
    else:
        shutil.rmtree(root / missing)
    with pytest.raises(UserError, match=r"is no folder|has no folder|have no folders"):
        check_folder(root)


def test_errors_come_before_warnings(root: Path) -> None:
    (root / "classes.txt").write_text("cat\ntraffic_light\nsky")
    relabel(root, "train/a", lambda ids: ids[:-1])
    relabel(root, "train/b", lambda ids: ids + 5)
    (root / "images/val/c.png").write_bytes(b"")
    report = check_folder(root)
    assert [issue.level for issue in report.issues] == ["error"] * 3 + ["warning"]
    assert (report.count("error"), report.count("warning")) == (3, 1)
