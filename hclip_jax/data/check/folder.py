"""Checks a whole labelled folder before a training starts: every file, and the class list."""

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.progress import Progress

from hclip_jax.data.check.classes import check_class_use
from hclip_jax.data.check.files import file_issues
from hclip_jax.data.check.find_files import find_files
from hclip_jax.data.check.ids import check_ids
from hclip_jax.data.check.issues import Issue, IssueGroup, IssueKind, group_issues
from hclip_jax.data.check.pair import CheckedPair, check_pair
from hclip_jax.data.layout import FOLDER, Layout
from hclip_jax.data.scan import FilePair

LEAK = IssueKind(
    "warning",
    "images that are also in another split, byte for byte",
    "remove them from one: metrics on training images say nothing about new images",
)
_MAX_NUM_CLASSES = 65535  # without a class list, every id may be a class


@dataclasses.dataclass(frozen=True)
class SplitSummary:
    """One split.

    Attributes:
        images: number of image files.
        smallest: (height, width) of the upright image with the fewest pixels; None if none can be decoded.
        largest: (height, width) of the upright image with the most pixels; None if none can be decoded.
        unlabelled: fraction of label pixels without a class, from 0 to 1; None if no label can be decoded.
    """

    images: int
    smallest: tuple[int, int] | None
    largest: tuple[int, int] | None
    unlabelled: float | None


@dataclasses.dataclass(frozen=True)
class ClassSummary:
    """One class.

    Attributes:
        id: its id.
        name: its name.
        pixels: number of its pixels in the whole folder.
        images: number of images that show it, by split.
    """

    id: int
    name: str
    pixels: int
    images: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Report:
    """Content and issues of a labelled folder.

    Attributes:
        root: the labelled folder.
        splits: by name, "train" first.
        classes: by id.
        issues: errors first.
        pairs: every image with its label, ordered by split and stem.
    """

    root: Path
    splits: dict[str, SplitSummary]
    classes: list[ClassSummary]
    issues: list[IssueGroup]
    pairs: list[CheckedPair]

    def count(self, level: str) -> int:
        """Number of issue groups of a level."""
        return sum(issue.level == level for issue in self.issues)


def check_folder(
    root: Path,
    classes_file: str = "",
    progress: Progress | None = None,
    ignore: Sequence[int] = (),
    layout: Layout = FOLDER,
) -> Report:
    """Decodes every file of a labelled folder and reports all issues.

    Args:
        root: the labelled folder, see `data/scan.py`.
        classes_file: a class list to use instead of ROOT/classes.txt.
        progress: shows the progress; None shows none.
        ignore: ids that mean "no label", besides 255 (65535 with 16 bits).
        layout: where the files lie, and which form the labels have.

    Raises:
        UserError: `root` is not a labelled folder, or has no files of the layout.
    """
    layout.check("--")
    files = find_files(root, classes_file, layout)
    class_names, class_issues = files.class_names, files.issues
    num_classes = len(class_names) or _MAX_NUM_CLASSES
    progress = progress or Progress(disable=True)

    def check(pair: FilePair) -> CheckedPair:
        return check_pair(pair, num_classes, ignore, files.labels[pair.split])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pairs = list(
            progress.track(pool.map(check, files.scan.pairs), len(files.scan.pairs), description="decoding")
        )
    issues = file_issues(files.scan.issues)
    for pair in pairs:
        issues += pair.issues
    issues += check_ids(pairs, num_classes, layout.has_names) + _leaks(pairs)
    used = check_class_use(pairs, class_names, layout.has_names)
    groups = [*class_issues, *group_issues(issues, root), *used]
    if not class_names:
        largest_id = max((t for pair in pairs for t in pair.pixel_counts), default=-1)
        class_names = [f"id {t}" for t in range(largest_id + 1)]
    return Report(
        root,
        splits={split: _summarize(pairs, split) for split in dict.fromkeys(pair.split for pair in pairs)},
        classes=_summarize_classes(pairs, class_names),
        issues=sorted(groups, key=lambda group: group.level),
        pairs=pairs,
    )


def _leaks(pairs: Sequence[CheckedPair]) -> list[Issue]:
    first_by_sha256: dict[bytes, CheckedPair] = {}
    issues = []
    for pair in pairs:
        if not pair.image_sha256:
            continue
        first = first_by_sha256.setdefault(pair.image_sha256, pair)
        if first.split != pair.split:
            issues.append(Issue(LEAK, pair.files.image, f"{first.split}/{first.files.image.name}"))
    return issues


def _summarize(pairs: Sequence[CheckedPair], split: str) -> SplitSummary:
    pairs = [pair for pair in pairs if pair.split == split]
    sizes = sorted(
        (pair.image_size for pair in pairs if pair.image_size), key=lambda size: (size[0] * size[1], size)
    )
    label_pixels = sum(pair.label_pixels for pair in pairs)
    unlabelled_pixels = sum(pair.unlabelled_pixels for pair in pairs)
    return SplitSummary(
        images=len(pairs),
        smallest=sizes[0] if sizes else None,
        largest=sizes[-1] if sizes else None,
        unlabelled=unlabelled_pixels / label_pixels if label_pixels else None,
    )


def _summarize_classes(pairs: Sequence[CheckedPair], class_names: Sequence[str]) -> list[ClassSummary]:
    pixels = [0] * len(class_names)
    images = [dict.fromkeys((pair.split for pair in pairs), 0) for _ in class_names]
    for pair in pairs:
        for t, count in pair.pixel_counts.items():
            pixels[t] += count
            images[t][pair.split] += 1
    return [ClassSummary(t, name, pixels[t], images[t]) for t, name in enumerate(class_names)]
