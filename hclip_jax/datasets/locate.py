"""Finds the folder of a data set below a source, and lists pairs of files by their stems."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hclip_jax.datasets.dataset import Dataset, Files, Listing
from hclip_jax.errors import UserError
from hclip_jax.io.substitutes import check_file


class SourceNotFoundError(UserError):
    """Nothing below the source looks like the data set."""


def check_source(source: Path) -> None:
    """Raises UserError unless the source is a folder."""
    if not source.is_dir():
        raise UserError(f"the source {source} is no folder: give the folder of the unpacked archives")


def find_root(dataset: Dataset, source: Path) -> Path:
    """Returns the folder that holds the official layout: the source or a folder below it.

    Raises:
        SourceNotFoundError: there is none.
        UserError: the source is no folder, or holds a copy that is known to be wrong.
    """
    check_source(source)
    candidates = list(dict.fromkeys(source / name for name in dataset.roots))
    for root in candidates:
        if root.is_dir() and dataset.is_root(root):
            return root
    if found := dataset.search(source):
        return found
    raise SourceNotFoundError(
        f"{dataset.key}: {dataset.layout} not found in {', '.join(map(str, candidates))}: "
        f"{dataset.how_to_get} {'them' if len(dataset.archives) > 1 else 'it'} there ({dataset.terms})"
    )


def first_folder(*candidates: Path) -> Path | None:
    """The first of the folders that exists."""
    return next((path for path in candidates if path.is_dir()), None)


def find_files(folder: Path, prefix: str, ending: str) -> Iterator[Path]:
    """Yields the files below a folder whose names start and end so, the ending in any case.

    Links to folders are followed, but no folder is visited twice.
    """
    visited = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        for name in names:
            if name.startswith(prefix) and name.lower().endswith(ending):
                yield Path(parent, name)


def read_names(path: Path) -> list[str]:
    """Reads the names of a list, one a line, with the line ends of any system.

    Raises:
        UserError: the file cannot be read.
    """
    check_file(path, "unpack the archive again")
    try:
        return path.read_text("utf-8-sig").split()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}): unpack the archive again") from error


def stems(folder: Path, suffix: str) -> dict[str, Path]:
    """Visible files of a folder that end in `suffix`, in any case, by stem."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    return {
        Path(name).stem: folder / name
        for name in names
        if name.lower().endswith(suffix) and not name.startswith(".")
    }


def pair_by_stem(images: Path, labels: Path, names: list[str] | None = None, pattern: str = ".*") -> Listing:
    """Pairs JPEG files with PNG labels of the same stem.

    Args:
        images: folder of the images.
        labels: folder of the labels.
        names: the stems of the split; None for all that are there.
        pattern: a regular expression of official stems; of those that are there, others are left out.

    Returns:
        The pairs, and the names of files that lack their partner.
    """
    jpegs, pngs = stems(images, ".jpg"), stems(labels, ".png")
    if names is None:
        names = [stem for stem in jpegs.keys() | pngs.keys() if re.fullmatch(pattern, stem)]
    wanted = sorted(set(names))
    return pair(wanted, jpegs, pngs, ".png")


def pair(
    names: Iterable[str],
    images: Mapping[str, Path],
    labels: Mapping[str, Path],
    suffix: str,
    image_suffix: str = ".jpg",
) -> Listing:
    """Pairs images with labels by name; an incomplete pair is missing, under the name of the file it lacks.

    Args:
        names: the names of the split, in order.
        images: image files by name.
        labels: label files by name.
        suffix: of label files.
        image_suffix: of image files.
    """
    files, missing = [], []
    for name in names:
        if name in images and name in labels:
            files.append(Files(name, images[name], labels[name]))
        elif name in images or name in labels:
            missing.append(f"{name}{suffix if name in images else image_suffix}")
        else:
            missing.append(name)
    return Listing(files, missing)
