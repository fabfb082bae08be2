"""One picture and its label, decoded to the last byte: what they hold and what is wrong with them."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from hclip_jax.data.check.issues import Issue, IssueKind
from hclip_jax.data.image_io import (
    LABEL_MODES,
    ignore_value,
    read_header,
    read_image,
    read_raw_label,
)
from hclip_jax.errors import UserError

SMALLEST_SIDE = 32  # pixels: two of CLIP's 16-pixel patches
_KEPT_IDS = 256  # a label of random 16-bit numbers should not fill the memory

EMPTY = IssueKind("error", "empty files (0 bytes)", "copy them again from where they came, or remove them")
BROKEN = IssueKind(
    "error",
    "files that cannot be decoded to their end: truncated, or no pictures at all",
    "copy them again from where they came, or remove them",
)
NOT_RGB = IssueKind("error", "pictures that have no RGB form", "save them as 8-bit RGB")
SMALL = IssueKind(
    "warning",
    f"pictures with a side under {SMALLEST_SIDE} pixels",
    "use larger originals or remove them: CLIP sees patches of 16 pixels",
)
NOT_PNG = IssueKind(
    "error",
    "labels that are not stored as PNG; lossy formats such as JPEG change the ids",
    "export them as PNG from the annotation itself: converting a JPEG does not bring its ids back",
)
COLOURS = IssueKind(
    "error",
    "labels with colour channels, but a label has a single channel of class ids",
    "map each colour to its class id (or keep one channel, if all are equal) and save an 8-bit grey PNG",
)
TURNED = IssueKind(
    "error",
    "labels that lie on their side: the picture's EXIF orientation turns it, and the label is as "
    "large as the picture before that",
    "turn each label as its picture's EXIF orientation says",
)
SIZES = IssueKind(
    "error",
    "labels and (upright) pictures that differ in size",
    "make each label as large as its picture, without interpolating between ids",
)
UNLABELLED = IssueKind(
    "warning",
    "labels without a single labelled pixel",
    "label them or remove the pictures, which show no class",
)
IGNORE_16_BIT = IssueKind(
    "error",
    "16-bit labels that hold 255, which means unlabelled with 8 bits only",
    "write 65535 for unlabelled, or save them with 8 bits",
)


@dataclasses.dataclass
class Pair:
    """What a picture and its label hold.

    Attributes:
        split: of the labelled folder.
        picture: its path.
        label: its path; None where there is none to read.
        size: (height, width) of the upright picture; None if it cannot be read.
        digest: of the picture file's bytes.
        pixels: number of pixels by class id.
        unlabelled: number of pixels with the ignore value.
        label_pixels: number of pixels of the label, whatever they hold.
        beyond: ids that are no class (the smallest 256), without the 255 of IGNORE_16_BIT.
        is_palette: whether the label's ids are the indices of a palette.
        readable: whether both files could be read and are of one size.
        sightings: what is wrong with either file.
    """

    split: str
    picture: Path
    label: Path | None
    size: tuple[int, int] | None = None
    digest: bytes = b""
    pixels: dict[int, int] = dataclasses.field(default_factory=dict)
    unlabelled: int = 0
    label_pixels: int = 0
    beyond: tuple[int, ...] = ()
    is_palette: bool = False
    readable: bool = False
    sightings: list[Issue] = dataclasses.field(default_factory=list)


def check_pair(split: str, picture: Path, label: Path | None, class_count: int) -> Pair:
    """Decodes both files; whatever is wrong with them ends up in the result, never in an exception."""
    pair = Pair(split, picture, label)
    _check_picture(pair)
    if label is not None:
        _check_label(pair, label, class_count)
    return pair


def _check_picture(pair: Pair) -> None:
    path = pair.picture
    if _is_empty(path):
        pair.sightings.append(Issue(EMPTY, path))
        return
    try:
        height, width = read_image(path).shape[:2]
    except UserError as error:
        # Only what a decoder raised has a cause; the rest are decoded pictures of an unknown kind.
        pair.sightings.append(Issue(BROKEN if error.__cause__ else NOT_RGB, path))
        return
    pair.size = height, width
    with path.open("rb") as file:
        pair.digest = hashlib.file_digest(file, "sha256").digest()
    if min(pair.size) < SMALLEST_SIDE:
        pair.sightings.append(Issue(SMALL, path, by_width(pair.size)))


def _check_label(pair: Pair, path: Path, class_count: int) -> None:
    def found(trouble: IssueKind, detail: str = "") -> None:
        pair.sightings.append(Issue(trouble, path, detail))

    if _is_empty(path):
        found(EMPTY)
        return
    try:
        header = read_header(path)
        if header.format != "PNG":
            found(NOT_PNG, header.format)
            return
        if header.mode not in LABEL_MODES:
            found(COLOURS, header.mode)
            return
        raw = read_raw_label(path)
    except UserError:
        found(BROKEN)
        return

    pair.readable = pair.size == header.size
    if pair.size and not pair.readable:
        is_turned = header.size == read_header(pair.picture).size
        found(TURNED if is_turned else SIZES, f"{by_width(header.size)}, not {by_width(pair.size)}")
    pair.is_palette = header.mode == "P"
    _count(pair, raw, class_count)
    if pair.unlabelled == raw.size:
        found(UNLABELLED)
    if 255 in pair.beyond and class_count < 256:
        found(IGNORE_16_BIT)
        pair.beyond = tuple(id for id in pair.beyond if id != 255)


def _count(pair: Pair, raw: np.ndarray, class_count: int) -> None:
    ids, counts = np.unique(raw, return_counts=True)
    ignore = ignore_value(raw)
    pair.label_pixels = raw.size
    pair.unlabelled = int(counts[ids == ignore].sum())
    is_class = (ids >= 0) & (ids < class_count) & (ids != ignore)
    pair.pixels = dict(zip(ids[is_class].tolist(), counts[is_class].tolist(), strict=True))
    pair.beyond = tuple(ids[~is_class & (ids != ignore)][:_KEPT_IDS].tolist())


def _is_empty(path: Path) -> bool:
    return path.stat().st_size == 0


def by_width(size: tuple[int, int]) -> str:
    """Writes (height, width) as people do: "640x480" is 640 wide."""
    return f"{size[1]}x{size[0]}"
