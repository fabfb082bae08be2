"""A labelled folder as a data set; `scan.py` describes its files."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hclip_jax.data.digest import digest_files
from hclip_jax.data.image_io import (
    IMAGE_SUFFIXES,
    format_size,
    read_image,
    read_image_size,
    read_label,
    read_label_size,
)
from hclip_jax.data.scan import ScanIssue, ScanIssueKind, scan_split
from hclip_jax.data.types import Example
from hclip_jax.errors import UserError, some
from hclip_jax.text.class_names import read_class_names


class FolderSource:
    """The labelled images of one split, ordered by stem.

    The constructor compares the sizes and modes of all files by their headers, so that a bad pair is refused
    before training starts. Class ids are checked when a label is read. Hidden files, files of other formats
    and labels without an image are skipped.
    """

    def __init__(self, root: str | Path, split: str, classes_file: str = "") -> None:
        """Lists and checks the split.

        Args:
            root: the labelled folder.
            split: the name of a folder under `images` and `labels`.
            classes_file: a class list to use instead of ROOT/classes.txt.

        Raises:
            UserError: a folder or file is missing or unreadable, or an image and its label do not match.
        """
        root = Path(root)
        scan = scan_split(root, split)
        _refuse(scan.issues)
        if not classes_file and not (root / "classes.txt").exists():
            raise UserError(
                f"{root} has no classes.txt: write one class name a line, line n (from 0) for class id n"
            )
        self.class_names = read_class_names(classes_file or root / "classes.txt")
        self._pairs = [(pair.image, pair.label) for pair in scan.pairs if pair.label]
        if without_label := [pair for pair in scan.pairs if not pair.label]:
            raise UserError(
                f"no label for {some(pair.image.name for pair in without_label)} in "
                f"{root / 'images' / split}: add a PNG of the same name to "
                f"{root / 'labels' / split} or remove the image"
            )
        with ThreadPoolExecutor(16) as pool:  # threads: the disk limits the reading of headers, not the CPU
            mismatches = [mismatch for mismatch in pool.map(_size_mismatch, self._pairs) if mismatch]
        if mismatches:
            raise UserError(
                f"labels in {root / 'labels' / split} and their (upright) images differ in size: "
                f"{some(mismatches)}: make each label as large as its image"
            )

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Example:
        image, label = self._pairs[index]
        return {
            "image": read_image(image),
            "label": read_label(label, len(self.class_names)),
            "name": image.stem,
        }

    def digest(self) -> str:
        """See `digest_files`."""
        return digest_files([path for pair in self._pairs for path in pair])


def _refuse(issues: Sequence[ScanIssue]) -> None:
    """Raises UserError for issues that make the pairs ambiguous; the others only lose files."""
    for issue in issues:
        folder = issue.path.parent
        if issue.kind is ScanIssueKind.EMPTY_SPLIT:
            suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
            raise UserError(f"{issue.path} holds no images: add files ending in {suffixes}")
        if issue.used:
            raise UserError(
                f"{issue.used.name} and {issue.path.name} in {folder} share the name {issue.path.stem}, "
                "which must be unique to pair images with labels: rename or remove one"
            )


def _size_mismatch(pair: tuple[Path, Path]) -> str:
    """Describes how the sizes of an image and its label differ; empty if they are equal."""
    image, label = pair
    image_size, label_size = read_image_size(image), read_label_size(label)
    if image_size == label_size:
        return ""
    return f"{label.name} is {format_size(label_size)} and its image {format_size(image_size)}"
