"""Pairs images with labels in nested folders by two patterns, as of Cityscapes.

images = leftImg8bit/train/*/*_leftImg8bit.png
labels = gtFine/train/*/*_gtFine_labelTrainIds.png

An image and its label belong together if every * stands for the same text in both, in any Unicode form. The
last .* of the images alone is any suffix; labels are PNGs, or JSONs of LabelMe.
"""

import re
import unicodedata
from collections.abc import Collection
from pathlib import Path

from hclip_jax.data.layout import Layout
from hclip_jax.data.listing import IMAGE_SUFFIXES, LeftOut, dead_link, list_entries, list_images
from hclip_jax.data.scan import LABEL_SUFFIX, FilePair, Scan, ScanIssue, ScanIssueKind
from hclip_jax.errors import UserError

_LOST = {LeftOut.DEAD_LINK: ScanIssueKind.DEAD_LINK, LeftOut.UNREADABLE: ScanIssueKind.UNREADABLE}

Key = tuple[str, ...]


def scan_patterns(root: Path, split: str, layout: Layout, sampled: bool = True) -> Scan:
    """Pairs the files of a split.

    Args:
        root: the folder that the patterns start from.
        split: takes the place of {split} in the patterns.
        layout: the patterns.
        sampled: as of `list_images`.

    Raises:
        UserError: a pattern is none, or no image matches.
    """
    here = layout.of_split(split)
    any_suffix = here.images.endswith(".*") and not here.labels.endswith(".*")
    counts = [here.images.count("*") - any_suffix, here.labels.count("*")]
    if not counts[0] or counts[0] != counts[1]:
        example = "*.* and *.json" if layout.is_labelme else "images/*/*.jpg and labels/*/*.png"
        raise UserError(
            f"the pattern of the images {here.images!r} has {counts[0]} * and that of the labels "
            f"{here.labels!r} has {counts[1]}: write both with the same parts as *, such as {example}"
        )
    issues: list[ScanIssue] = []
    images, lost_images = _find(root, here.images, issues, sampled, any_suffix=any_suffix)
    suffix = ".json" if layout.is_labelme else LABEL_SUFFIX
    suffixes = {suffix} if layout.is_labelme else IMAGE_SUFFIXES
    found, lost_labels = _find(root, here.labels, issues, sampled, suffixes)
    labels = {key: path for key, path in found.items() if path.suffix.lower() == suffix}
    issues += [ScanIssue(ScanIssueKind.NOT_PNG, path) for key, path in found.items() if key not in labels]
    if not images and not issues:
        raise UserError(f"no image in {root} matches {here.images!r}: check the pattern and its folders")
    issues += [
        ScanIssue(ScanIssueKind.NO_LABEL, images[key]) for key in images.keys() - found.keys() - lost_labels
    ]
    issues += [
        ScanIssue(ScanIssueKind.NO_IMAGE, found[key]) for key in found.keys() - images.keys() - lost_images
    ]
    pairs = [FilePair(split, images[key], labels.get(key)) for key in sorted(images)]
    return Scan(pairs, sorted(issues, key=lambda issue: issue.path))


def _find(
    root: Path,
    pattern: str,
    issues: list[ScanIssue],
    sampled: bool,
    suffixes: Collection[str] = IMAGE_SUFFIXES,
    any_suffix: bool = False,
) -> tuple[dict[Key, Path], set[Key]]:
    """The files that match, by what the * stand for, and those that match but are lost."""
    *folders, last = Path(pattern).parts
    if ".." in folders or "**" in pattern:
        raise UserError(f"the pattern {pattern!r} must have no .. and no **: write one * for each part")
    last = last.removesuffix(".*") if any_suffix else last
    found: dict[Key, Path] = {}
    lost: set[Key] = set()
    for key, folder in _folders(root, folders):
        listing = list_images(folder, sampled, suffixes)
        for path in listing.images:
            if (more := _stars(last, path.stem if any_suffix else path.name)) is not None:
                used = found.setdefault((*key, *more), path)
                if used != path:
                    issues.append(ScanIssue(ScanIssueKind.SAME_STEM, path, used))
        for path, reason in listing.left_out.items():
            if reason in _LOST and (more := _stars(last, path.stem if any_suffix else path.name)) is not None:
                lost.add((*key, *more))
                issues.append(ScanIssue(_LOST[reason], path))
    return found, lost


def _folders(root: Path, parts: list[str]) -> list[tuple[Key, Path]]:
    """The folders that match all parts but the last, with what their * stand for."""
    found: list[tuple[Key, Path]] = [((), root)]
    for part in parts:
        if "*" not in part:
            found = [(key, folder / part) for key, folder in found]
            if not any(folder.is_dir() for _, folder in found):
                folder = found[0][1]
                raise UserError(f"the folder {folder} does not exist{dead_link(folder)}: check the pattern")
            found = [(key, folder) for key, folder in found if folder.is_dir()]
            continue
        found = [
            ((*key, *more), path)
            for key, folder in found
            for path in list_entries(folder)
            if (more := _stars(part, path.name)) is not None and not path.name.startswith(".")
            if path.is_dir()
        ]
        if not found:
            raise UserError(f"no folder in {root} matches {'/'.join(parts)!r}: check the pattern")
    return found


def _stars(part: str, name: str) -> Key | None:
    """The texts that the * of a part stand for in a name; None if it does not match."""
    match = re.fullmatch(re.escape(part).replace(r"\*", "(.*)"), name, re.DOTALL)
    return tuple(unicodedata.normalize("NFC", text) for text in match.groups()) if match else None
