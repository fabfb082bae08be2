"""Finds and pairs the files of a labelled folder, for training and for `hclip check`.

ROOT/classes.txt             one class a line
ROOT/images/SPLIT/NAME.jpg   or .png, .webp, ...
ROOT/labels/SPLIT/NAME.png   class ids, 255 = unlabelled

An image and its label have the same stem, in any Unicode form. Files are listed, not opened.
"""

import enum
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hclip_jax.data.listing import LeftOut, dead_link, list_entries, list_images
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
    NOT_NAMED = enum.auto()  # an image that the JSON of the labels does not name
    NOT_PNG = enum.auto()  # a label of another format, which is not used
    DEAD_LINK = enum.auto()  # a link to nothing with the suffix of an image
    UNREADABLE = enum.auto()  # an image or label that the user has no permission to read
    DEEPER = enum.auto()  # a folder inside a split that holds images
    IGNORED = enum.auto()  # hidden, no image by its suffix, not a file, or not inside a split


_LEFT_OUT_KINDS = {
    LeftOut.DEAD_LINK: ScanIssueKind.DEAD_LINK,
    LeftOut.UNREADABLE: ScanIssueKind.UNREADABLE,
    LeftOut.DEEPER: ScanIssueKind.DEEPER,
}


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
        for child in list_entries(_kind_folder(root, kind)):
            if child.is_dir() and not child.name.startswith("."):
                splits.add(child.name)
            else:
                is_dead = child.is_symlink() and not child.exists()
                issues.append(ScanIssue(ScanIssueKind.DEAD_LINK if is_dead else ScanIssueKind.IGNORED, child))
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
    """Scans one split of a labelled folder, to open it: see `sampled` of `list_images`.

    Raises:
        UserError: `root` is not a labelled folder, or has no folder of that name under images or labels.
    """
    for kind in ("images", "labels"):
        folder = _kind_folder(root, kind)
        splits = [child.name for child in list_entries(folder) if child.is_dir()]
        if not split or not (folder / split).is_dir():
            found = f"{', '.join(splits) or 'no folders'}{dead_link(folder / split)}"
            raise UserError(f"{folder} has no split {split!r}: it has {found}")
    return _scan_split(root, split, sampled=True)


def _kind_folder(root: Path, kind: str) -> Path:
    if not root.is_dir():
        raise UserError(f"the labelled folder {root} is no folder: check the path")
    if not (root / kind).is_dir():
        raise UserError(
            f"{root} has no folder {kind}{dead_link(root / kind)}: a labelled folder is images/SPLIT/*, "
            "labels/SPLIT/*.png and classes.txt (a directory prepared by TFDS holds dataset_info.json)"
        )
    return root / kind


def _scan_split(root: Path, split: str, sampled: bool = False) -> Scan:
    issues: list[ScanIssue] = []
    image_files, lost_images = _list(root / "images" / split, issues, sampled)
    label_files, lost_labels = _list(root / "labels" / split, issues, sampled)
    images = _files_by_stem(image_files, issues)
    other_labels = [path for path in label_files if path.suffix.lower() != LABEL_SUFFIX]
    labels = _files_by_stem((path for path in label_files if path.suffix.lower() == LABEL_SUFFIX), issues)
    issues += [ScanIssue(ScanIssueKind.NOT_PNG, path) for path in other_labels]

    if not images:
        issues.append(ScanIssue(ScanIssueKind.EMPTY_SPLIT, root / "images" / split))
    # A lost file has an issue of its own; its other half is not reported too.
    labelled = labels.keys() | {_stem(path) for path in other_labels} | lost_labels
    issues += [ScanIssue(ScanIssueKind.NO_LABEL, images[stem]) for stem in images.keys() - labelled]
    with_image = images.keys() | lost_images
    issues += [
        ScanIssue(ScanIssueKind.NO_IMAGE, path)
        for stem, path in ({_stem(path): path for path in other_labels} | labels).items()
        if stem not in with_image
    ]
    pairs = [FilePair(split, images[stem], labels.get(stem)) for stem in sorted(images)]
    return Scan(pairs, sorted(issues, key=lambda issue: issue.path))


def _list(folder: Path, issues: list[ScanIssue], sampled: bool) -> tuple[list[Path], set[str]]:
    """The image files of a folder, and the stems of those that are lost; none if there is no such folder."""
    if not folder.is_dir():
        return [], set()
    images, left_out = list_images(folder, sampled)
    kinds = {path: _LEFT_OUT_KINDS.get(reason, ScanIssueKind.IGNORED) for path, reason in left_out.items()}
    issues += [ScanIssue(kind, path) for path, kind in kinds.items()]
    lost = (ScanIssueKind.DEAD_LINK, ScanIssueKind.UNREADABLE)
    return images, {_stem(path) for path, kind in kinds.items() if kind in lost}


def _stem(path: Path) -> str:
    """The stem that pairs images with labels; macOS and Linux encode accents in different ways."""
    return unicodedata.normalize("NFC", path.stem)


def _files_by_stem(files: Iterable[Path], issues: list[ScanIssue]) -> dict[str, Path]:
    by_stem: dict[str, Path] = {}
    for path in files:
        used = by_stem.setdefault(_stem(path), path)
        if used != path:
            issues.append(ScanIssue(ScanIssueKind.SAME_STEM, path, used))
    return by_stem
