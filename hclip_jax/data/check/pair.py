"""Decodes one image and its label completely, and lists their issues."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from hclip_jax.data.check.issues import Issue, IssueKind
from hclip_jax.data.image_io import (
    LABEL_MODES,
    format_size,
    ignore_value,
    read_header,
    read_image,
    read_raw_label,
)
from hclip_jax.data.scan import FilePair
from hclip_jax.errors import UserError

_MIN_IMAGE_SIZE = 32  # pixels: two of CLIP's 16-pixel patches
_MAX_INVALID_IDS = 256  # a label of random 16-bit numbers should not fill the memory

EMPTY = IssueKind("error", "empty files (0 bytes)", "copy them again from their source, or remove them")
BROKEN = IssueKind(
    "error",
    "files that cannot be decoded completely: truncated, or not an image",
    "copy them again from their source, or remove them",
)
NOT_RGB = IssueKind("error", "images that have no RGB form", "save them as 8-bit RGB")
SMALL = IssueKind(
    "warning",
    f"images with a height or width under {_MIN_IMAGE_SIZE} pixels",
    "use larger originals or remove them: a patch of CLIP has 16 pixels",
)
NOT_PNG = IssueKind(
    "error",
    "labels that are not stored as PNG; lossy formats such as JPEG change the ids",
    "export them as PNG from the annotation itself: converting a JPEG does not restore its ids",
)
COLOURS = IssueKind(
    "error",
    "labels with colour channels, but a label has a single channel of class ids",
    "map each colour to its class id (or keep one channel, if all are equal) and save an 8-bit grey PNG",
)
NOT_ROTATED = IssueKind(
    "error",
    "labels that are not rotated as their images: the image has an EXIF orientation, and the label has its "
    "size before that rotation",
    "rotate each label by the EXIF orientation of its image",
)
SIZE_MISMATCH = IssueKind(
    "error",
    "labels and (upright) images that differ in size",
    "make each label as large as its image, without interpolating between ids",
)
UNLABELLED = IssueKind(
    "warning",
    "labels without a single labelled pixel",
    "label them or remove the images, which show no class",
)
IGNORE_16_BIT = IssueKind(
    "error",
    "16-bit labels that hold 255, which means unlabelled with 8 bits only",
    "write 65535 for unlabelled, or save them with 8 bits",
)


@dataclasses.dataclass
class CheckedPair:
    """The content and the issues of an image and its label.

    Attributes:
        files: the paths.
        image_size: (height, width) of the upright image; None if it cannot be decoded.
        image_sha256: of the bytes of the image file; empty if it cannot be decoded.
        pixel_counts: number of pixels by class id.
        unlabelled_pixels: number of pixels with the ignore value.
        label_pixels: number of pixels of the label, whatever their value; 0 if it cannot be decoded.
        invalid_ids: ids that are no class (the smallest 256), without the 255 of IGNORE_16_BIT.
        is_palette: whether the ids of the label are the indices of a palette.
        sizes_match: whether both files could be decoded and have the same size.
        issues: the issues of both files.
    """

    files: FilePair
    image_size: tuple[int, int] | None = None
    image_sha256: bytes = b""
    pixel_counts: dict[int, int] = dataclasses.field(default_factory=dict)
    unlabelled_pixels: int = 0
    label_pixels: int = 0
    invalid_ids: tuple[int, ...] = ()
    is_palette: bool = False
    sizes_match: bool = False
    issues: list[Issue] = dataclasses.field(default_factory=list)

    @property
    def split(self) -> str:
        """The split of the labelled folder."""
        return self.files.split


def check_pair(files: FilePair, num_classes: int) -> CheckedPair:
    """Decodes both files; their errors become issues of the result, never exceptions."""
    pair = CheckedPair(files)
    _check_image(pair, files.image)
    if files.label is not None:
        _check_label(pair, files.label, num_classes)
    return pair


def _check_image(pair: CheckedPair, path: Path) -> None:
    if _is_empty(path):
        pair.issues.append(Issue(EMPTY, path))
        return
    try:
        size = read_image(path).shape[:2]
    except UserError as error:
        # Only errors of the decoder have a cause; without one, the image was decoded and has no RGB form.
        pair.issues.append(Issue(BROKEN if error.__cause__ else NOT_RGB, path))
        return
    pair.image_size = size
    with path.open("rb") as file:
        pair.image_sha256 = hashlib.file_digest(file, "sha256").digest()
    if min(size) < _MIN_IMAGE_SIZE:
        pair.issues.append(Issue(SMALL, path, format_size(size)))


def _check_label(pair: CheckedPair, path: Path, num_classes: int) -> None:
    def add(kind: IssueKind, detail: str = "") -> None:
        pair.issues.append(Issue(kind, path, detail))

    if _is_empty(path):
        add(EMPTY)
        return
    try:
        header = read_header(path)
        if header.format != "PNG":
            add(NOT_PNG, header.format)
            return
        if header.mode not in LABEL_MODES:
            add(COLOURS, header.mode)
            return
        raw = read_raw_label(path)
    except UserError:
        add(BROKEN)
        return

    pair.sizes_match = pair.image_size == header.size
    if pair.image_size and not pair.sizes_match:
        has_stored_size = header.size == read_header(pair.files.image).size
        sizes = f"{format_size(header.size)}, not {format_size(pair.image_size)}"
        add(NOT_ROTATED if has_stored_size else SIZE_MISMATCH, sizes)
    pair.is_palette = header.mode == "P"
    _count_pixels(pair, raw, num_classes)
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


def _is_empty(path: Path) -> bool:
    return path.stat().st_size == 0
