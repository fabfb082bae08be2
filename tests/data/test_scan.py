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


def test_names_are_paired_in_any_unicode_form(folder: Path) -> None:
    images, labels = folder / "images/train", folder / "labels/train"
    composed, decomposed = "caf\u00e9.png", "cafe\u0301.png"
    (images / "pet.0.png").rename(images / decomposed)
    (labels / "pet.0.png").rename(labels / composed)
    scan = scan_split(folder, "train")
    assert scan.issues == []
    assert scan.pairs[0] == FilePair("train", images / decomposed, labels / composed)
    shutil.copy(images / decomposed, images / composed)
    (issue,) = scan_split(folder, "train").issues
    assert (issue.kind, issue.path.parent) == (ScanIssueKind.SAME_STEM, images)


def test_dead_links_are_issues_and_their_other_halves_are_not(folder: Path) -> None:
    dead = [
        folder / f"{name}.png" for name in ("images/train/pet.0", "images/train/pet.9", "labels/train/pet.1")
    ]
    for path in dead:
        path.unlink(missing_ok=True)
        path.symlink_to(folder / "old" / path.name)
    (folder / "images/train/circle.png").symlink_to("circle.png")
    scan = scan_split(folder, "train")
    kind = ScanIssueKind.DEAD_LINK
    assert scan.issues == [
        ScanIssue(kind, folder / "images/train/circle.png"),
        *(ScanIssue(kind, path) for path in dead),
    ]
    assert [pair.image.name for pair in scan.pairs] == [f"pet.{index}.png" for index in range(1, 6)]
    (folder / "images/val").symlink_to("gone")
    assert ScanIssue(kind, folder / "images/val") in scan_folder(folder).issues


def test_folders_with_images_inside_a_split(folder: Path) -> None:
    for path in ("images/train/a/b/c.PNG", "labels/train/a/c.png", "images/train/notes/x.txt"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    assert scan_split(folder, "train").issues == [
        ScanIssue(ScanIssueKind.DEEPER, folder / "images/train/a"),
        ScanIssue(ScanIssueKind.IGNORED, folder / "images/train/notes"),
        ScanIssue(ScanIssueKind.DEEPER, folder / "labels/train/a"),
    ]


def test_links_to_files_and_folders_are_followed(folder: Path) -> None:
    (folder / "images/train").rename(folder / "elsewhere")
    (folder / "images/train").symlink_to(folder / "elsewhere")
    (folder / "elsewhere/pet.0.png").rename(folder / "first.png")
    (folder / "elsewhere/pet.0.png").symlink_to(folder / "first.png")
    scan = scan_folder(folder)
    assert scan.issues == []
    assert len(scan.pairs) == 6
