"""Everything that is wrong with a labelled folder, found at once, before a training starts."""

import dataclasses
import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.progress import Progress

from hclip_jax.data.check.classes import check_class_list, check_ids, check_use
from hclip_jax.data.check.files import Files, list_files
from hclip_jax.data.check.issues import Issue, IssueGroup, IssueKind, group
from hclip_jax.data.check.pair import Pair, check_pair

LEAK = IssueKind(
    "warning",
    "pictures that are also in another split, byte for byte",
    "remove them from one: figures on pictures that were trained with say nothing",
)
_ANY_ID = 65535  # without a class list, every id might be a class


@dataclasses.dataclass(frozen=True)
class SplitSummary:
    """One split.

    Attributes:
        pictures: number of picture files.
        smallest: (height, width) of the upright picture with the fewest pixels; None if none can
            be read.
        largest: as smallest, with the most pixels.
        unlabelled: share of label pixels without a class, from 0 to 1; None if no label can be read.
    """

    pictures: int
    smallest: tuple[int, int] | None
    largest: tuple[int, int] | None
    unlabelled: float | None


@dataclasses.dataclass(frozen=True)
class ClassSummary:
    """One class: its pixels in the whole folder and the pictures of each split that show it."""

    id: int
    name: str
    pixels: int
    pictures: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Report:
    """What a labelled folder holds and what is wrong with it.

    Attributes:
        root: the labelled folder.
        splits: by name, "train" first.
        classes: by id.
        findings: errors first.
        pairs: every picture with its label, in the order of splits and stems.
    """

    root: Path
    splits: dict[str, SplitSummary]
    classes: list[ClassSummary]
    findings: list[IssueGroup]
    pairs: list[Pair]

    def count(self, level: str) -> int:
        """Returns the number of findings of a level."""
        return sum(finding.level == level for finding in self.findings)


def check_folder(root: Path, classes_file: str = "", progress: Progress | None = None) -> Report:
    """Decodes every file of a labelled folder and reports all that is wrong with it.

    Args:
        root: the labelled folder, as `data/folder.py` describes it.
        classes_file: a class list to use instead of ROOT/classes.txt.
        progress: where to show how far it is.

    Raises:
        UserError: this is no labelled folder at all.
    """
    files, sightings = list_files(root)
    names, findings = check_class_list(Path(classes_file) if classes_file else root / "classes.txt")
    progress = progress or Progress(disable=True)
    check = functools.partial(_check, class_count=len(names) or _ANY_ID)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pairs = list(progress.track(pool.map(check, files), len(files), description="decoding"))
    for pair in pairs:
        sightings += pair.sightings
    sightings += check_ids(pairs, len(names) or _ANY_ID) + _leaks(pairs)
    findings += group(sightings, root) + check_use(pairs, names)
    if not names:
        used = max((t for pair in pairs for t in pair.pixels), default=-1)
        names = [f"id {t}" for t in range(used + 1)]
    return Report(
        root,
        splits={split: _summary(pairs, split) for split in dict.fromkeys(pair.split for pair in pairs)},
        classes=_classes(pairs, names),
        findings=sorted(findings, key=lambda finding: finding.level),
        pairs=pairs,
    )


def _check(files: Files, class_count: int) -> Pair:
    return check_pair(*files, class_count)


def _leaks(pairs: Sequence[Pair]) -> list[Issue]:
    first: dict[bytes, Pair] = {}
    sightings = []
    for pair in pairs:
        if not pair.digest:
            continue
        known = first.setdefault(pair.digest, pair)
        if known.split != pair.split:
            sightings.append(Issue(LEAK, pair.picture, f"{known.split}/{known.picture.name}"))
    return sightings


def _summary(pairs: Sequence[Pair], split: str) -> SplitSummary:
    pairs = [pair for pair in pairs if pair.split == split]
    sizes = sorted((pair.size for pair in pairs if pair.size), key=lambda size: (size[0] * size[1], size))
    pixels = sum(pair.label_pixels for pair in pairs)
    return SplitSummary(
        pictures=len(pairs),
        smallest=sizes[0] if sizes else None,
        largest=sizes[-1] if sizes else None,
        unlabelled=sum(pair.unlabelled for pair in pairs) / pixels if pixels else None,
    )


def _classes(pairs: Sequence[Pair], names: Sequence[str]) -> list[ClassSummary]:
    pixels = [0] * len(names)
    pictures = [dict.fromkeys((pair.split for pair in pairs), 0) for _ in names]
    for pair in pairs:
        for t, count in pair.pixels.items():
            pixels[t] += count
            pictures[t][pair.split] += 1
    return [ClassSummary(t, name, pixels[t], pictures[t]) for t, name in enumerate(names)]
