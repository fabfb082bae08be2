"""A labelled folder as a data set; `scan.py` describes its files, `layout.py` other ways to lay them out."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from hclip_jax.data.digest import digest_files
from hclip_jax.data.image_names import unique_names
from hclip_jax.data.label_io import decode_compact_label, decode_label, without_ids
from hclip_jax.data.labels import Labels
from hclip_jax.data.layout import FOLDER, Layout
from hclip_jax.data.listing import IMAGE_SUFFIXES, describe
from hclip_jax.data.open_labels import CLASS_LIST, open_labels
from hclip_jax.data.scan import FilePair, ScanIssue, ScanIssueKind
from hclip_jax.data.spread import MOST, spread
from hclip_jax.data.types import DecodedExample, Example
from hclip_jax.errors import UserError, some
from hclip_jax.images.image_io import format_size, read_header, read_image, read_image_size, read_rgb
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
        self,
        root: str | Path,
        split: str,
        classes_file: str = "",
        ignore: Sequence[int] = (),
        layout: Layout = FOLDER,
    ) -> None:
        """Lists and checks the split.

        Args:
            root: the labelled folder.
            split: the name of a folder under `images` and `labels`, or what {split} of the layout stands for.
            classes_file: a class list to use instead of ROOT/classes.txt or the names of the labels.
            ignore: ids that mean "no label", besides 255 (65535 with 16 bits).
            layout: where the files lie, and which form the labels have.

        Raises:
            UserError: a folder or file is missing or unreadable, or an image and its label do not match.
        """
        root = Path(root)
        self._ignore = tuple(ignore)
        scan, self._labels = open_labels(root, split, classes_file, layout)
        _refuse(scan.issues)
        _warn(scan.issues)
        self.class_names = self._labels.class_names or _read_class_list(root, classes_file)
        self._pairs = [pair for pair in scan.pairs if pair.label]
        if without_label := [pair.image for pair in scan.pairs if not pair.label]:
            here = layout.of_split(split)
            target = f"of the same name to {root / 'labels' / split}"
            if layout.labels:
                target = f"that {here.labels} {'lists' if layout.is_coco else 'matches'}"
            kind = "JSON of LabelMe" if layout.is_labelme else "PNG"
            raise UserError(
                f"no label for {some(image.name for image in without_label)} in {_folders(without_label)}: "
                f"add a {kind} {target} or remove the image"
            )
        self._names = unique_names([pair.image for pair in self._pairs])
        with ThreadPoolExecutor(16) as pool:  # threads: the disk limits the reading of headers, not the CPU
            looked_at = (self._pairs[index] for index in spread(len(self._pairs), MOST // 2))
            found = pool.map(lambda pair: _size_mismatch(pair, self._labels), looked_at)
            mismatches = [mismatch for mismatch in found if mismatch]
        if mismatches:
            where = root / "labels" / split if not layout.labels else root / layout.of_split(split).labels
            raise UserError(
                f"labels in {where} and their (upright) images differ in size: "
                f"{some(mismatches)}: {_SIZE_FIX}"
            )

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Example:
        image = read_image(self._pairs[index].image)
        raw, name = self._read_label(index, (image.shape[0], image.shape[1]))
        label = decode_label(raw, len(self.class_names), name)
        return {"image": image, "label": label, "name": self._names[index]}

    def decoded(self, index: int) -> DecodedExample:
        """See `DecodingSource`."""
        image = read_rgb(self._pairs[index].image)
        raw, name = self._read_label(index, (image.height, image.width))
        return {"image": image, "label": decode_compact_label(raw, len(self.class_names), name)}

    def _read_label(self, index: int, image_size: tuple[int, int]) -> tuple[np.ndarray, str]:
        """The label as its file has it, and the file's name."""
        pair = self._pairs[index]
        raw = without_ids(self._labels.read(pair), self._ignore)
        label_size = raw.shape[0], raw.shape[1]
        if image_size != label_size:  # EXIF data behind the pixels, where a header does not show it
            raise UserError(f"{_mismatch(pair, image_size, label_size)}: {_SIZE_FIX}")
        return raw, str(pair.label)

    def digest(self) -> str:
        """See `digest_files`."""
        files = [path for pair in self._pairs for path in dict.fromkeys((pair.image, pair.label)) if path]
        digest, labels = digest_files(files), self._labels.fingerprint
        return f"{digest} {labels}" if labels else digest


def _read_class_list(root: Path, classes_file: str) -> tuple[str, ...]:
    if not classes_file and not (root / CLASS_LIST).exists():
        raise UserError(
            f"{root} has no {CLASS_LIST}: write one class name a line, line n (from 0) for class id n"
        )
    return read_class_names(classes_file or root / CLASS_LIST)


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
        (ScanIssueKind.NOT_NAMED, "images that the JSON of the labels does not name"),
        (ScanIssueKind.DEEPER, "folders with images, but only files of the split itself are read"),
    ):
        if unused := _paths(issues, kind):
            line = f"warning: not used, in {_folders(unused)}: {found}: {describe(unused)}"
            console.print(line, markup=False)


def _paths(issues: Sequence[ScanIssue], kind: ScanIssueKind) -> list[Path]:
    return [issue.path for issue in issues if issue.kind is kind]


def _folders(paths: Sequence[Path]) -> str:
    return " and ".join(sorted({str(path.parent) for path in paths}))


def _size_mismatch(pair: FilePair, labels: Labels) -> str:
    """Describes how the sizes of an image and its label differ; empty if they are equal."""
    if read_header(pair.image).upright_size == labels.size(pair):
        return ""
    return _mismatch(pair, read_image_size(pair.image), labels.size(pair, exact=True))


def _mismatch(pair: FilePair, image_size: tuple[int, int], label_size: tuple[int, int]) -> str:
    if image_size == label_size or not pair.label:
        return ""
    name = pair.label.name if pair.label != pair.image else f"the label of {pair.image.name}"
    return f"{name} is {format_size(label_size)} and its image {format_size(image_size)}"
