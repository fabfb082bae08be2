"""Decodes one image and its label completely, and lists their issues."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hclip_jax.data.check.issues import Issue, IssueKind
from hclip_jax.data.check.kinds import (
    BROKEN,
    COLOURS,
    EMPTY,
    FEWER_BITS,
    IGNORE_16_BIT,
    LABEL_ROTATED,
    MAYBE_NOT_ROTATED,
    MIN_IMAGE_SIZE,
    NOT_PNG,
    NOT_RGB,
    NOT_ROTATED,
    SEVERAL_FRAMES,
    SIZE_MISMATCH,
    SMALL,
    UNLABELLED,
)
from hclip_jax.data.check.thin_lines import thin_lines_between
from hclip_jax.data.label_io import LABEL_MODES, ignore_value, without_ids
from hclip_jax.data.labels import Labels, PngLabels
from hclip_jax.data.scan import FilePair
from hclip_jax.errors import UserError
from hclip_jax.images.image_io import FRAMES, Header, format_size, read_header, read_image, remarks
from hclip_jax.io.substitutes import substitute

PLAIN = PngLabels()
"""A PNG of class ids for each image."""
_MAX_INVALID_IDS = 256  # a label of random 16-bit numbers should not fill the memory


@dataclasses.dataclass
class CheckedPair:
    """The content and the issues of an image and its label.

    Attributes:
        files: the paths.
        ignore: ids that mean "no label".
        labels: reads the label.
        image_size: (height, width) of the upright image; None if it cannot be decoded.
        image_sha256: of the bytes of the image file; empty if it cannot be decoded.
        pixel_counts: number of pixels by class id.
        unlabelled_pixels: number of pixels with the ignore value.
        label_pixels: number of pixels of the label, whatever their value; 0 if it cannot be decoded.
        invalid_ids: ids that are no class (the smallest 256), without the 255 of IGNORE_16_BIT.
        is_palette: whether the ids of the label are the indices of a palette.
        sizes_match: whether both files could be decoded and have the same size.
        may_be_rotated: whether the label may lack the EXIF orientation of the image (MAYBE_NOT_ROTATED).
        thin_ids: ids as `thin_lines_between`.
        issues: the issues of both files.
    """

    files: FilePair
    ignore: tuple[int, ...] = ()
    labels: Labels = PLAIN
    image_size: tuple[int, int] | None = None
    image_sha256: bytes = b""
    pixel_counts: dict[int, int] = dataclasses.field(default_factory=dict)
    unlabelled_pixels: int = 0
    label_pixels: int = 0
    invalid_ids: tuple[int, ...] = ()
    is_palette: bool = False
    sizes_match: bool = False
    may_be_rotated: bool = False
    thin_ids: tuple[int, ...] = ()
    issues: list[Issue] = dataclasses.field(default_factory=list)

    @property
    def split(self) -> str:
        """The split of the labelled folder."""
        return self.files.split

    def stored_ids(self) -> np.ndarray:
        """The stored ids [H, W] of the label, those to ignore as the `ignore_value`.

        Raises:
            UserError: the label cannot be read.
        """
        return without_ids(self.labels.read(self.files), self.ignore)


def check_pair(
    files: FilePair, num_classes: int, ignore: Sequence[int] = (), labels: Labels = PLAIN
) -> CheckedPair:
    """Decodes both files; their errors become issues of the result, never exceptions."""
    pair = CheckedPair(files, tuple(ignore), labels)
    _check_image(pair, files.image)
    if files.label is not None:
        _check_label(pair, files.label, num_classes)
    return pair


def _check_image(pair: CheckedPair, path: Path) -> None:
    if issue := _substitute(path):
        pair.issues.append(issue)
        return
    try:
        size = read_image(path).shape[:2]
    except UserError as error:
        pair.issues.append(_image_error(path, error))
        return
    pair.image_size = size
    with path.open("rb") as file:
        pair.image_sha256 = hashlib.file_digest(file, "sha256").digest()
    for remark in remarks(path):
        kind, detail = (SEVERAL_FRAMES, "") if remark == FRAMES else (FEWER_BITS, remark)
        pair.issues.append(Issue(kind, path, detail))
    if min(size) < MIN_IMAGE_SIZE:
        pair.issues.append(Issue(SMALL, path, format_size(size)))


def _check_label(pair: CheckedPair, path: Path, num_classes: int) -> None:
    def add(kind: IssueKind, detail: str = "") -> None:
        pair.issues.append(Issue(kind, path, detail))

    if pair.labels.has_files and (issue := _substitute(path)):
        pair.issues.append(issue)
        return
    is_plain = isinstance(pair.labels, PngLabels) and not pair.labels.colours
    try:
        header = read_header(path) if pair.labels.has_files else None
        if header and header.format != "PNG":
            add(NOT_PNG, header.format)
            return
        if header and is_plain and header.mode not in LABEL_MODES:
            add(COLOURS, header.mode)
            return
        raw = pair.stored_ids()
    except UserError as error:
        pair.issues.append(Issue(BROKEN, path) if is_plain else _label_error(path, error))
        return

    _compare_orientations(pair, path, header or Header("", "", raw.shape[:2], 1), raw.shape)
    pair.is_palette = is_plain and header is not None and header.mode == "P"
    _count_pixels(pair, raw, num_classes)
    pair.thin_ids = thin_lines_between(raw, ignore_value(raw))
    if pair.unlabelled_pixels == raw.size:
        add(UNLABELLED)
    if 255 in pair.invalid_ids and num_classes < 256:
        add(IGNORE_16_BIT)
        pair.invalid_ids = tuple(id for id in pair.invalid_ids if id != 255)


def _count_pixels(pair: CheckedPair, raw: np.ndarray, num_classes: int) -> None:
    ids, counts = np.unique(raw, return_counts=True)
    ignore = ignore_value(raw)
    pair.label_pixels = raw.size
    pair.unlabelled_pixels = int(counts[ids == ignore].sum())
    is_class = (ids >= 0) & (ids < num_classes) & (ids != ignore)
    pair.pixel_counts = dict(zip(ids[is_class].tolist(), counts[is_class].tolist(), strict=True))
    pair.invalid_ids = tuple(ids[~is_class & (ids != ignore)][:_MAX_INVALID_IDS].tolist())


def _compare_orientations(pair: CheckedPair, path: Path, label: Header, size: tuple[int, ...]) -> None:
    """Compares the upright label with the upright image.

    Args:
        pair: with the image's size; gets the issues.
        path: of the label.
        label: the header of the label.
        size: (height, width) of the upright label.
    """
    if not pair.image_size:
        return
    pair.sizes_match = pair.image_size == size
    image = read_header(pair.files.image)
    if not pair.sizes_match:
        sizes = f"{size[1]}x{size[0]}, not {format_size(pair.image_size)}"
        kind = SIZE_MISMATCH
        if label.size == image.size:  # as stored
            kind = NOT_ROTATED if image.orientation > 1 else LABEL_ROTATED
        pair.issues.append(Issue(kind, path, sizes))
    elif image.orientation > 1 == label.orientation and image.size == image.upright_size:
        pair.may_be_rotated = True
        pair.issues.append(Issue(MAYBE_NOT_ROTATED, path, f"EXIF orientation {image.orientation}"))


def _label_error(path: Path, error: UserError) -> Issue:
    message = str(error).removeprefix(f"{path} ")
    end = max(message.rfind(": "), message.rfind("; "))
    kind = IssueKind("error", "labels that are not read", message[end + 2 :])
    return Issue(kind, path, message[: max(end, 0)])


def _image_error(path: Path, error: UserError) -> Issue:
    if error.__cause__:  # only errors of the decoder have one
        return Issue(BROKEN, path)
    with contextlib.suppress(UserError):
        if read_header(path).mode in ("F", "LAB", "I"):
            return Issue(NOT_RGB, path)
    reason, _, fix = str(error).removeprefix(f"{path} ").rpartition(": ")
    return Issue(IssueKind("error", "images that are not read", fix), path, reason)


def _substitute(path: Path) -> Issue | None:
    """The issue of a file that holds no image at all."""
    try:
        found, _, fix = substitute(path).partition("; ")
    except OSError as error:
        found, fix = f"{error.strerror}", "give a file that you may read"
    if not found:
        return None
    if found == "is empty":
        return Issue(EMPTY, path)
    return Issue(IssueKind("error", "files that are no image", fix), path, found)
