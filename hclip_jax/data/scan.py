"""Finds and pairs the files of a labelled folder, for training and for `hclip check`.

ROOT/classes.txt             one class a line
ROOT/images/SPLIT/NAME.jpg   or .png, .webp, ...
ROOT/labels/SPLIT/NAME.png   class ids, 255 = unlabelled

An image and its label have the same stem. Files are listed, not opened.
"""

import enum
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hclip_jax.data.image_io import is_visible_image
from hclip_jax.errors import UserError

LABEL_SUFFIX = ".png"


class FilePair(NamedTuple):
    """An image and its label; None if the image has no PNG label."""

    split: str
    image: Path
    label: Path | None


class ScanIssueKind(enum.Enum):
    """Issues with files that their names show. The wording and the severity depend on the caller."""

    EMPTY_SPLIT = enum.auto()  # a split without an image
    NO_LABEL = enum.auto()  # an image without a label of any format
    NO_IMAGE = enum.auto()  # a label without an image
    SAME_STEM = enum.auto()  # a second file with the same stem, which is not used
    NOT_PNG = enum.auto()  # a label of another format, which is not used
    IGNORED = enum.auto()  # hidden, no image by its suffix, not a file, or not inside a split


class ScanIssue(NamedTuple):
    """An issue, the file or folder that has it and, for SAME_STEM, the file that is used instead."""

    kind: ScanIssueKind
    path: Path
    used: Path | None = None


class Scan(NamedTuple):
    """The pairs, ordered by split ("train" first) and stem, and the issues, ordered by path."""

    pairs: list[FilePair]
    issues: list[ScanIssue]


def scan_folder(root: Path) -> Scan:
    """Scans all splits of a labelled folder.

    Raises:
        UserError: `root` is not a labelled folder.
    """
    pairs: list[FilePair] = []
    issues: list[ScanIssue] = []
    splits: set[str] = set()
    for kind in ("images", "labels"):
        for child in _kind_folder(root, kind).iterdir():
            if child.is_dir() and not child.name.startswith("."):
                splits.add(child.name)
            else:
                issues.append(ScanIssue(ScanIssueKind.IGNORED, child))
    if not splits:
        raise UserError(
            f"{root / 'images'} and {root / 'labels'} have no folders: put training files into images/train "
            "and labels/train, evaluation files into images/val and labels/val"
        )
    for split in sorted(splits, key=lambda name: (name != "train", name)):
        scan = _scan_split(root, split)
        pairs += scan.pairs
        issues += scan.issues
    return Scan(pairs, sorted(issues, key=lambda issue: issue.path))


def scan_split(root: Path, split: str) -> Scan:
    """Scans one split of a labelled folder.

    Raises:
        UserError: `root` is not a labelled folder, or has no folder of that name under images or labels.
    """
    for kind in ("images", "labels"):
        folder = _kind_folder(root, kind)
        if not split or not (folder / split).is_dir():
            splits = sorted(child.name for child in folder.iterdir() if child.is_dir())
            raise UserError(f"{folder} has no split {split!r}: it has {', '.join(splits) or 'no folders'}")
    return _scan_split(root, split)


def _kind_folder(root: Path, kind: str) -> Path:
    if not root.is_dir():
        raise UserError(f"the labelled folder {root} is no folder: check the path")
    if not (root / kind).is_dir():
        raise UserError(
            f"{root} has no folder {kind}: a labelled folder is images/SPLIT/*, labels/SPLIT/*.png and "
            "classes.txt (a directory prepared by TFDS holds dataset_info.json)"
        )
    return root / kind


def _scan_split(root: Path, split: str) -> Scan:
    issues: list[ScanIssue] = []
    images = _files_by_stem(_visible_files(root / "images" / split, issues), issues)
    label_files = _visible_files(root / "labels" / split, issues)
    png_labels = [path for path in label_files if path.suffix.lower() == LABEL_SUFFIX]
    other_labels = [path for path in label_files if path.suffix.lower() != LABEL_SUFFIX]
    issues += [ScanIssue(ScanIssueKind.NOT_PNG, path) for path in other_labels]
    labels = _files_by_stem(png_labels, issues)
    labelled = labels.keys() | {path.stem for path in other_labels}

    if not images:
        issues.append(ScanIssue(ScanIssueKind.EMPTY_SPLIT, root / "images" / split))
    issues += [ScanIssue(ScanIssueKind.NO_LABEL, images[stem]) for stem in images.keys() - labelled]
    issues += [
        ScanIssue(ScanIssueKind.NO_IMAGE, path)
        for stem, path in ({path.stem: path for path in other_labels} | labels).items()
        if stem not in images
    ]
    pairs = [FilePair(split, images[stem], labels.get(stem)) for stem in sorted(images)]
    return Scan(pairs, sorted(issues, key=lambda issue: issue.path))


def _visible_files(folder: Path, issues: list[ScanIssue]) -> list[Path]:
    """Image files by their suffix, in order; none if there is no such folder."""
    files: list[Path] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if is_visible_image(path):
            files.append(path)
        else:
            issues.append(ScanIssue(ScanIssueKind.IGNORED, path))
    return files


def _files_by_stem(files: Iterable[Path], issues: list[ScanIssue]) -> dict[str, Path]:
    by_stem: dict[str, Path] = {}
    for path in files:
        used = by_stem.setdefault(path.stem, path)
        if used != path:
            issues.append(ScanIssue(ScanIssueKind.SAME_STEM, path, used))
    return by_stem
