"""Labels of LabelMe: a JSON for each image, with the polygons, rectangles and circles of its classes."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hclip_jax.data.coco_annotations import is_polygon
from hclip_jax.data.labels import label_path
from hclip_jax.data.named_ids import named_ids
from hclip_jax.data.rasterize import polygons_mask
from hclip_jax.data.scan import FilePair
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError, printable, some
from hclip_jax.images.image_io import read_header, read_image_size
from hclip_jax.images.open_image import check_size
from hclip_jax.io.json_file import read_json

_FIX = "give a JSON of LabelMe, with shapes"
_MAX_BYTES = 2**29  # the image may be in it
_UNLABELLED = 65535  # `ignore_value` of 16 bits
_KINDS = ("polygon", "rectangle", "circle")
_CIRCLE = np.linspace(0, 2 * math.pi, 720, endpoint=False)  # off by 1/100,000 of the radius
_NO_AREA = ("line", "linestrip", "point", "points")


class _Content(NamedTuple):
    """A file: the size that it states (None if it does not), and JSON of its shapes."""

    size: tuple[int, int] | None
    shapes: bytes


class LabelmeLabels:
    """The labels of a split; a pixel has the class of the last shape that holds it.

    Attributes:
        class_names: the labels of all shapes in the order of the alphabet, or the class list.
        fingerprint: empty: the files show everything but the class names.
        has_files: False: no label is a PNG.
    """

    fingerprint = ""
    has_files = False

    def __init__(
        self, pairs: Sequence[FilePair], class_list: Sequence[str] = (), keeps_errors: bool = False
    ) -> None:
        """Reads all files.

        Args:
            pairs: images with their JSONs.
            class_list: class names in the order of the ids; labels are found in it by their names.
            keeps_errors: whether a wrong file is refused when it is read as a label, and not here.

        Raises:
            UserError: a file is wrong, or a label is in no line of the class list.
        """
        self._contents: dict[Path, _Content | UserError] = {}
        first: dict[str, Path] = {}  # the first file with each label
        for path in (pair.label for pair in pairs if pair.label):
            try:
                self._contents[path] = content = _read(path)
            except UserError as error:
                if not keeps_errors:
                    raise
                self._contents[path] = error
                continue
            for name, *_ in json.loads(content.shapes):
                first.setdefault(name, path)
        names = sorted(first)
        if not names and not class_list:
            files = some(path.name for path in self._contents)
            wrong = [error for error in self._contents.values() if isinstance(error, UserError)]
            raise wrong[0] if wrong else UserError(f"no shape in {files or 'no file'}: {_FIX}")
        for name in names if class_list else ():  # names the file of one that the list lacks
            named_ids([name], f"{first[name]}: a shape", class_list)
        where = f"{first[names[0]].parent}: labels of shapes" if names else ""
        self.class_names, ids = named_ids(names, where, class_list)
        self._ids = dict(zip(names, ids, strict=True))

    def size(self, pair: FilePair, exact: bool = False) -> tuple[int, int]:
        """See `Labels`; that of the image if the JSON does not say it."""
        return self._content(pair).size or _image_size(pair, exact)

    def read(self, pair: FilePair) -> np.ndarray:
        """Draws the shapes of an image in their order: uint16 [H, W], 65535 for pixels without one.

        Raises:
            UserError: the JSON is wrong.
        """
        content = self._content(pair)
        height, width = content.size or _image_size(pair, exact=True)
        check_size((height, width), str(pair.label))
        label = np.full((height, width), _UNLABELLED, np.uint16)
        for name, kind, points in json.loads(content.shapes):
            t = self._ids[name]
            mask = polygons_mask([_border(kind, points)], height, width)
            label[mask] = _UNLABELLED if t == IGNORE else t
        return label

    def _content(self, pair: FilePair) -> _Content:
        content = self._contents[label_path(pair)]
        if isinstance(content, UserError):
            raise content
        return content


def _image_size(pair: FilePair, exact: bool) -> tuple[int, int]:
    return read_image_size(pair.image) if exact else read_header(pair.image).upright_size


def _read(path: Path) -> _Content:
    tree = read_json(path, _FIX, _MAX_BYTES)
    shapes = tree.get("shapes") if isinstance(tree, dict) else None
    if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
        raise UserError(f"{path} is no JSON of LabelMe, since it has no list of shapes: {_FIX}")
    size = tree.get("imageHeight"), tree.get("imageWidth")
    if any(side is not None and (type(side) is not int or not 0 < side < 2**22) for side in size):
        raise UserError(
            f"{path} has the imageHeight and imageWidth {printable(repr(size))}, which must be numbers of "
            "pixels: correct or remove them"
        )
    regions = [_shape(shape, n, path) for n, shape in enumerate(shapes)]
    height, width = size
    return _Content((height, width) if height and width else None, json.dumps(regions).encode())


def _shape(shape: dict[str, Any], n: int, path: Path) -> tuple[str, str, list[float]]:
    """The label of a shape, its type, and its points as x, y, x, y, ..."""
    name = shape.get("label")
    if not isinstance(name, str) or not name.strip():
        raise UserError(
            f"{path} has shape {n} (from 0) with the label {printable(repr(name))[:60]}, which must be the "
            "name of a class: name the shape or remove it"
        )
    where = f"{path} has shape {n} (from 0), '{printable(name)[:60]}',"
    kind = shape.get("shape_type") or "polygon"  # older files do not say it
    if kind not in _KINDS:
        reason = "has no area" if kind in _NO_AREA else "is not read"
        raise UserError(
            f"{where} of the type {printable(repr(kind))[:60]}, which {reason}: draw a polygon, rectangle or "
            "circle in its place, or remove it"
        )
    points = shape.get("points")
    are_pairs = isinstance(points, list) and all(isinstance(p, list) and len(p) == 2 for p in points)
    flat = [value for point in points for value in point] if are_pairs else []
    is_polygon_kind = kind == "polygon"
    is_whole = is_polygon(flat) if is_polygon_kind else len(flat) == 4 and is_polygon(flat * 2)
    if not is_whole:
        number = "3 or more" if is_polygon_kind else "2"
        raise UserError(
            f"{where} a {kind} without {number} points [x, y] that are numbers: draw it again or remove it"
        )
    return name.strip(), kind, flat


def _border(kind: str, points: list[float]) -> np.ndarray:
    """The border of a shape: float64 [P, 2]."""
    corners = np.array(points, np.float64).reshape(-1, 2)
    if kind == "rectangle":  # two opposite corners
        (left, top), (right, bottom) = corners
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    if kind == "circle":  # the centre, and a point on the border
        radius = math.dist(*corners)
        return corners[0] + radius * np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)], axis=1)
    return corners
