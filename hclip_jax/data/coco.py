"""Labels of COCO: a JSON of instances or stuff, or a panoptic one with its PNGs."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hclip_jax.data.coco_file import CocoImage, read_coco
from hclip_jax.data.label_io import check_lossless
from hclip_jax.data.labels import label_path
from hclip_jax.data.listing import LeftOut, list_images
from hclip_jax.data.rasterize import polygons_mask
from hclip_jax.data.rle import decode_mask
from hclip_jax.data.scan import FilePair, Scan, ScanIssue, ScanIssueKind
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError, printable
from hclip_jax.images.image_io import read_header, read_image_size
from hclip_jax.images.open_image import check_size, open_image
from hclip_jax.images.orientation import upright

_UNLABELLED = 65535  # `ignore_value` of 16 bits
_LOST = {LeftOut.DEAD_LINK: ScanIssueKind.DEAD_LINK, LeftOut.UNREADABLE: ScanIssueKind.UNREADABLE}


class CocoLabels:
    """The labels of a JSON. A pixel has the class of the smallest region that holds it, see `read`.

    Attributes:
        class_names: the names of the categories in the file's order, or the class list.
        fingerprint: of the regions.
        has_files: whether the labels are the PNGs of a panoptic JSON.
        scan: the images that the JSON names and that are there, with the issues.
    """

    def __init__(self, path: Path, folder: Path, split: str, class_list: Sequence[str] = ()) -> None:
        """Reads the JSON and lists the images.

        Args:
            path: the JSON; the PNGs of a panoptic one lie beside it, in a folder of its name without .json.
            folder: of the images, from which the JSON names them.
            split: the name of the split, for the pairs.
            class_list: see `read_coco`.

        Raises:
            UserError: the JSON cannot be read, or none of its images is there.
        """
        content = read_coco(path, class_list)
        self._path = path
        self.class_names, self.has_files = content.class_names, content.is_panoptic
        self.fingerprint = _fingerprint(content.images)
        self._images = {folder / image.file_name: image for image in content.images}
        self.scan = self._scan(folder, split, path.with_suffix(""))

    def _scan(self, folder: Path, split: str, label_folder: Path) -> Scan:
        issues: list[ScanIssue] = []
        found = _existing({folder, *(path.parent for path in self._images)}, issues)
        images = [path for path in self._images if path in found]
        if not images and not issues:
            first = next(iter(self._images.values())).file_name
            raise UserError(
                f"no image of {self._path} is in {folder}, such as {printable(str(folder / first))}: "
                f"{_fix(first)}"
            )
        seen = found | {issue.path for issue in issues}
        issues += [ScanIssue(ScanIssueKind.NO_IMAGE, path) for path in self._images if path not in seen]
        issues += [
            ScanIssue(ScanIssueKind.NOT_NAMED, path) for path in sorted(found) if path not in self._images
        ]
        if not self.has_files:
            return Scan([FilePair(split, path, path) for path in images], issues)
        labels = {path: label_folder / self._images[path].label for path in images}
        there = _existing({path.parent for path in labels.values()}, issues)
        pairs = []
        for path, label in labels.items():
            is_there = bool(self._images[path].label) and label in there
            pairs.append(FilePair(split, path, label if is_there else None))
            if not is_there:
                issues.append(ScanIssue(ScanIssueKind.NO_LABEL, path))
        return Scan(pairs, issues)

    def size(self, pair: FilePair, exact: bool = False) -> tuple[int, int]:
        """See `Labels`."""
        if not self.has_files:
            return self._images[pair.image].size
        path = label_path(pair)
        return read_image_size(path) if exact else read_header(path).upright_size

    def read(self, pair: FilePair) -> np.ndarray:
        """Draws the regions of an image: uint16 [H, W], 65535 for pixels without one.

        Where regions overlap, the one with the fewest pixels counts; a crowd counts where nothing else is.

        Raises:
            UserError: the runs of a region are broken, or the PNG of a panoptic JSON has an unknown segment.
        """
        image = self._images[pair.image]
        regions = json.loads(image.regions)
        where = f"{self._path}: an annotation of {printable(image.file_name)}"
        if self.has_files:
            return _panoptic(label_path(pair), regions, self._path)
        check_size(image.size, f"{where.partition(': ')[0]}: {printable(image.file_name)}")
        label = np.full(image.size, _UNLABELLED, np.uint16)
        smallest = np.full(image.size, 2 * label.size + 1, np.int64)
        for t, is_crowd, segmentation in regions:
            mask = _mask(segmentation, image.size, where)
            num_pixels = int(mask.sum()) + is_crowd * label.size
            mask &= num_pixels <= smallest
            label[mask], smallest[mask] = _stored(t), num_pixels
        return label


def _fix(file_name: str) -> str:
    """How to find an image by the name that the JSON has."""
    if re.match(r"\w+:/", file_name):
        return "its file_name is an address: download the images, and write their names in the JSON"
    if "\\" in file_name:
        return "its file_name is a path of Windows: write / for each \\ in the file_name of all images"
    return "give the folder from which the JSON names its images"


def _mask(segmentation: Any, size: tuple[int, int], where: str) -> np.ndarray:
    height, width = size
    if isinstance(segmentation, list):
        points = (np.array(polygon, np.float64).reshape(-1, 2) for polygon in segmentation)
        return polygons_mask(points, height, width)
    if segmentation.get("size") != [height, width]:
        found = printable(repr(segmentation.get("size")))
        raise UserError(f"{where} has the size {found}, but the image is {[height, width]}: correct the size")
    counts = segmentation["counts"]
    if isinstance(counts, list) and not all(type(run) is int for run in counts):
        raise UserError(f"{where} has runs that are no whole numbers: export it again")
    try:
        return decode_mask(counts, height, width)
    except ValueError as error:
        raise UserError(f"{where} is broken ({error}): export it again") from error


def _panoptic(path: Path, segments: list[list[int]], json_path: Path) -> np.ndarray:
    with open_image(path) as image:
        check_lossless(path, image.format)
        if image.mode != "RGB":
            raise UserError(
                f"the label {path} has the mode {image.mode}, but the ids of segments are stored as RGB: "
                "export it again"
            )
        rgb = np.asarray(upright(image)).astype(np.uint32)
    segment = rgb[..., 0] | rgb[..., 1] << 8 | rgb[..., 2] << 16
    known = np.array([0, *(id for _, id in segments)], np.uint32)
    ids = np.array([_UNLABELLED, *(_stored(t) for t, _ in segments)], np.uint16)
    order = np.argsort(known)
    index = np.searchsorted(known[order], segment).clip(max=len(known) - 1)
    unknown = segment[known[order][index] != segment]
    if unknown.size:
        raise UserError(
            f"{path} has {unknown.size:,} pixels of segments that {json_path} does not list, such as "
            f"{unknown[0]}: give the PNGs that belong to it"
        )
    return ids[order][index]


def _stored(t: int) -> int:
    return _UNLABELLED if t == IGNORE else t


def _existing(folders: set[Path], issues: list[ScanIssue]) -> set[Path]:
    """The images in folders; adds those that are lost to the issues."""
    found: set[Path] = set()
    for folder in sorted(folders):
        if folder.is_dir():
            images, left_out = list_images(folder, sampled=True)
            found |= set(images)
            issues += [ScanIssue(_LOST[why], path) for path, why in left_out.items() if why in _LOST]
    return found


def _fingerprint(images: Sequence[CocoImage]) -> str:
    digest = hashlib.sha256()
    for image in images:
        digest.update(repr(image[:3]).encode(errors="surrogateescape"))
        digest.update(image.regions)
    return digest.hexdigest()
