"""Completeness of a split, and the sentences for what is missing or wrong."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hclip_jax.datasets.dataset import Dataset, FileError, Listing
from hclip_jax.errors import UserError, printable, some

MAX_REFUSALS = 1_000
"""After so many wrong files, the others are not looked at."""


class Completeness(NamedTuple):
    """How much of an official split is there.

    Attributes:
        num_found: labelled images.
        num_official: labelled images of the official split.
        digest: "same" or "differs", of the sorted names; "unknown" where the official one is not known.
        problems: a clause for each difference; none if the split is complete.
    """

    num_found: int
    num_official: int
    digest: str
    problems: tuple[str, ...]


def names_sha256(names: Iterable[str]) -> str:
    """sha256 of the sorted names, each followed by a newline."""
    return hashlib.sha256("".join(f"{name}\n" for name in sorted(names)).encode()).hexdigest()


def check_split(dataset: Dataset, split: str, listing: Listing | None) -> Completeness:
    """Compares the files of a split with the official numbers."""
    official = dataset.splits[split]
    if listing is None:
        none = () if official.optional else (f"no {split} images",)
        return Completeness(0, official.num_images, "unknown", none)
    found = len(listing.files)
    digest = "unknown"
    if official.names_sha256:
        same = names_sha256(files.name for files in listing.files) == official.names_sha256
        digest = "same" if same else "differs"
    complete = found == official.num_images and digest != "differs"
    missing = [] if complete else listing.missing  # beside a complete split, they are other files
    problems = []
    if found != official.num_images or missing:
        problems.append(f"{found:,} of {official.num_images:,} {_split_name(split)} images")
    if missing:
        problems.append(f"missing {some(map(printable, missing))}")
    if digest == "differs" and not missing:
        problems.append(
            "its list of names is not the official one (sha256 of the sorted names is not "
            f"{official.names_sha256[:8]}...), as in a copy that was split again"
        )
    return Completeness(found, official.num_images, digest, tuple(problems))


def incomplete(dataset: Dataset, completeness: dict[str, Completeness]) -> str:
    """The sentence that refuses an incomplete copy."""
    problems = "; ".join(problem for state in completeness.values() for problem in state.problems)
    archives = ", ".join(
        f"{archive.name}{f' ({archive.checksum})' if archive.checksum else ''}"
        for archive in dataset.archives
    )
    return (
        f"{dataset.key}: {problems}: unpack {archives} again, or give --partial to prepare what is there "
        "(its figures are not comparable, and every report will say so)"
    )


def join_refusals(refusals: Sequence[UserError]) -> str:
    """One sentence for refusals of the same reason: three of them, and their number."""
    items: dict[str, list[str]] = {}
    for refusal in refusals:
        reason = refusal.reason if isinstance(refusal, FileError) else ""
        items.setdefault(reason, []).append(refusal.item if isinstance(refusal, FileError) else str(refusal))
    sentences = [f"{some(group)}, {reason}" if reason else some(group) for reason, group in items.items()]
    return "; ".join(sentences) + (" (and perhaps more)" if len(refusals) >= MAX_REFUSALS else "")


def _split_name(split: str) -> str:
    return {"train": "training", "val": "validation"}[split]
