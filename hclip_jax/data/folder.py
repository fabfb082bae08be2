"""A labelled folder as a data set; `scan.py` describes its files."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hclip_jax.data.digest import digest_files
from hclip_jax.data.image_io import (
    format_size,
    read_header,
    read_image,
    read_image_size,
    read_label,
    read_label_header,
    read_label_size,
)
from hclip_jax.data.listing import IMAGE_SUFFIXES, describe
from hclip_jax.data.scan import ScanIssue, ScanIssueKind, scan_split
from hclip_jax.data.spread import MOST, spread
from hclip_jax.data.types import Example
from hclip_jax.errors import UserError, some
from hclip_jax.io.progress import console
from hclip_jax.text.class_names import read_class_names


class FolderSource:
    """The labelled images of one split, ordered by stem.

    The constructor compares the sizes and modes of files by their headers, so that a bad pair is refused
    before training starts; of many pairs those of `spread`, and the others when they are read. Class ids are
    checked when a label is read. Links to nothing and files that
    may not be read are refused; labels without an image and folders of images are skipped with a warning,
    hidden files and other formats without one.
    """

    def __init__(
        self, root: str | Path, split: str, classes_file: str = "", ignore: Sequence[int] = ()
    ) -> None:
        """Lists and checks the split.

        Args:
            root: the labelled folder.
            split: the name of a folder under `images` and `labels`.
            classes_file: a class list to use instead of ROOT/classes.txt.
            ignore: ids that mean "no label", besides 255 (65535 with 16 bits).

        Raises:
            UserError: a folder or file is missing or unreadable, or an image and its label do not match.
        """
        root = Path(root)
        self._ignore = tuple(ignore)
        scan = scan_split(root, split)
        _refuse(scan.issues)
        _warn(scan.issues)
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
            looked_at = (self._pairs[index] for index in spread(len(self._pairs), MOST // 2))
            mismatches = [mismatch for mismatch in pool.map(_size_mismatch, looked_at) if mismatch]
        if mismatches:
            raise UserError(
                f"labels in {root / 'labels' / split} and their (upright) images differ in size: "
                f"{some(mismatches)}: {_SIZE_FIX}"
            )

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Example:
        paths = self._pairs[index]
        image, label = read_image(paths[0]), read_label(paths[1], len(self.class_names), self._ignore)
        sizes = image.shape[:2], label.shape
        if sizes[0] != sizes[1]:  # EXIF data behind the pixels, where a header does not show it
            raise UserError(f"{_mismatch(paths, *sizes)}: {_SIZE_FIX}")
        return {"image": image, "label": label, "name": paths[0].stem}

    def digest(self) -> str:
        """See `digest_files`."""
        return digest_files([path for pair in self._pairs for path in pair])


_SIZE_FIX = "make each label as large as its (upright) image"


def _refuse(issues: Sequence[ScanIssue]) -> None:
    """Raises UserError for files that are lost, or that make the pairs ambiguous."""
    for kind, found, fix in (
        (ScanIssueKind.DEAD_LINK, "lead to no file", "restore the files, or remove the links"),
        (ScanIssueKind.UNREADABLE, "may not be read", "give yourself the permission, or remove the files"),
    ):
        if lost := _paths(issues, kind):
            raise UserError(f"files in {_folders(lost)} {found}: {describe(lost)}; {fix}")
    for issue in issues:
        if issue.kind is ScanIssueKind.EMPTY_SPLIT:
            deeper = [
                folder for folder in _paths(issues, ScanIssueKind.DEEPER) if folder.parent == issue.path
            ]
            fix = f"add files ending in {', '.join(sorted(IMAGE_SUFFIXES))}"
            if deeper:
                fix = f"only folders in it do ({describe(deeper)}); move their files into {issue.path}"
            raise UserError(f"{issue.path} holds no images: {fix}")
        if issue.used:
            raise UserError(
                f"{issue.used.name} and {issue.path.name} in {issue.path.parent} share the name "
                f"{issue.path.stem} (accents may be encoded in two ways), which must be unique to pair "
                "images with labels: rename or remove one"
            )


def _warn(issues: Sequence[ScanIssue]) -> None:
    """Names what was probably meant to be used, one line a kind."""
    for kind, found in (
        (ScanIssueKind.NO_IMAGE, "labels without an image"),
        (ScanIssueKind.DEEPER, "folders with images, but only files of the split itself are read"),
    ):
        if unused := _paths(issues, kind):
            line = f"warning: not used, in {_folders(unused)}: {found}: {describe(unused)}"
            console.print(line, markup=False)


def _paths(issues: Sequence[ScanIssue], kind: ScanIssueKind) -> list[Path]:
    return [issue.path for issue in issues if issue.kind is kind]


def _folders(paths: Sequence[Path]) -> str:
    return " and ".join(sorted({str(path.parent) for path in paths}))


def _size_mismatch(pair: tuple[Path, Path]) -> str:
    """Describes how the sizes of an image and its label differ; empty if they are equal."""
    image, label = pair
    if read_header(image).upright_size == read_label_header(label).upright_size:
        return ""
    return _mismatch(pair, read_image_size(image), read_label_size(label))


def _mismatch(pair: tuple[Path, Path], image_size: tuple[int, int], label_size: tuple[int, int]) -> str:
    if image_size == label_size:
        return ""
    return f"{pair[1].name} is {format_size(label_size)} and its image {format_size(image_size)}"
