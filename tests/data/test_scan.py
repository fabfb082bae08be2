import shutil
from pathlib import Path

from hclip_jax.data.scan import FilePair, ScanIssue, ScanIssueKind, scan_folder, scan_split


def test_pairs_are_ordered_by_split_and_stem(folder: Path) -> None:
    for kind in ("images", "labels"):
        shutil.copytree(folder / kind / "train", folder / kind / "a")
    (folder / "images/train/pet.0.png").rename(folder / "images/train/pet.0.jpg")
    (folder / "images/a/pet.1.png").rename(folder / "images/a/pet 2.png")
    (folder / "labels/a/pet.1.png").rename(folder / "labels/a/pet 2.png")
    scan = scan_folder(folder)
    assert scan.issues == []
    assert [(pair.split, pair.image.name) for pair in scan.pairs] == [
        *(("train", f"pet.{index}.{'png' if index else 'jpg'}") for index in range(6)),
        *(("a", f"{stem}.png") for stem in ("pet 2", "pet.0", "pet.2", "pet.3", "pet.4", "pet.5")),
    ]
    assert scan_split(folder, "train").pairs == scan.pairs[:6]


def test_issues_are_ordered_by_path(folder: Path) -> None:
    images, labels = folder / "images/train", folder / "labels/train"
    (images / "pet.0.jpg").touch()
    (labels / "pet.1.png").rename(labels / "pet.1.jpg")
    (labels / "pet.2.png").rename(labels / "other.png")
    (images / "notes.txt").touch()
    scan = scan_split(folder, "train")
    assert scan.issues == [
        ScanIssue(ScanIssueKind.IGNORED, images / "notes.txt"),
        ScanIssue(ScanIssueKind.SAME_STEM, images / "pet.0.png", images / "pet.0.jpg"),
        ScanIssue(ScanIssueKind.NO_LABEL, images / "pet.2.png"),
        ScanIssue(ScanIssueKind.NO_IMAGE, labels / "other.png"),
        ScanIssue(ScanIssueKind.NOT_PNG, labels / "pet.1.jpg"),
    ]
    assert scan.pairs[0] == FilePair("train", images / "pet.0.jpg", labels / "pet.0.png")
    assert [pair.label is None for pair in scan.pairs] == [False, True, True, False, False, False]


def test_empty_split_of_a_folder(folder: Path) -> None:
    (folder / "labels/val").mkdir()
    assert scan_folder(folder).issues == [ScanIssue(ScanIssueKind.EMPTY_SPLIT, folder / "images/val")]
