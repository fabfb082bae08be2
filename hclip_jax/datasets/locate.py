"""Finds the folder of a data set below a source, and lists pairs of files by their stems."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from hclip_jax.datasets.dataset import Dataset, Files, Listing
from hclip_jax.errors import UserError


def find_root(dataset: Dataset, source: Path) -> Path:
    """Returns the folder that holds the official layout: the source or a folder below it.

    Raises:
        UserError: there is none, or a copy that is known to be wrong.
    """
    if not source.is_dir():
        raise UserError(f"the source {source} is no folder: give the folder of the unpacked archives")
    candidates = list(dict.fromkeys(source / name for name in dataset.roots))
    for root in candidates:
        if root.is_dir() and dataset.is_root(root):
            return root
    if found := dataset.search(source):
        return found
    raise UserError(
        f"{dataset.key}: {dataset.layout} not found in {', '.join(map(str, candidates))}: "
        f"{dataset.how_to_get} it there ({dataset.terms})"
    )


def first_folder(*candidates: Path) -> Path | None:
    """The first of the folders that exists."""
    return next((path for path in candidates if path.is_dir()), None)


def stems(folder: Path, suffix: str) -> dict[str, Path]:
    """Visible files of a folder that end in `suffix`, in any case, by stem."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    return {
        Path(name).stem: folder / name
        for name in names
        if name.lower().endswith(suffix) and not name.startswith(".")
    }


def pair_by_stem(images: Path, labels: Path, names: list[str] | None = None) -> Listing:
    """Pairs JPEG files with PNG labels of the same stem.

    Args:
        images: folder of the images.
        labels: folder of the labels.
        names: the stems of the split; None for all that are there.

    Returns:
        The pairs, and the names of files that lack their partner.
    """
    jpegs, pngs = stems(images, ".jpg"), stems(labels, ".png")
    wanted = sorted(jpegs.keys() | pngs.keys()) if names is None else sorted(set(names))
    return pair(wanted, jpegs, pngs, ".png")


def pair(
    names: Iterable[str], images: Mapping[str, Path], labels: Mapping[str, Path], suffix: str
) -> Listing:
    """Pairs images with labels by name; an incomplete pair is missing, under the name of the file it lacks.

    Args:
        names: the names of the split, in order.
        images: JPEG files by name.
        labels: label files by name.
        suffix: of label files.
    """
    files, missing = [], []
    for name in names:
        if name in images and name in labels:
            files.append(Files(name, images[name], labels[name]))
        elif name in images or name in labels:
            missing.append(f"{name}{suffix if name in images else '.jpg'}")
        else:
            missing.append(name)
    return Listing(files, missing)
