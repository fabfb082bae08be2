"""Reads a JSON of COCO (instances, stuff or panoptic) and checks it; the regions are kept as text."""

import json
import math
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hclip_jax.data.named_ids import named_ids
from hclip_jax.errors import UserError, printable, some
from hclip_jax.io.json_file import read_json

_FIX = "give a JSON of COCO with images, categories and annotations"
_MAX_BYTES = 2**31  # instances_train2017.json has 470 MB


class CocoImage(NamedTuple):
    """An image of the file.

    Attributes:
        file_name: of the image, below the folder of the images.
        size: (height, width).
        label: the PNG of a panoptic file; "" of another.
        regions: JSON of the list of (class id, whether it is a crowd, segmentation) of its annotations;
            panoptic: of (class id, id of the segment). As Python objects they need ten times as much.
    """

    file_name: str
    size: tuple[int, int]
    label: str
    regions: bytes


class CocoFile(NamedTuple):
    """The content of a file.

    Attributes:
        is_panoptic: whether the labels are PNGs of segment ids.
        class_names: by id.
        images: in the order of the file names.
    """

    is_panoptic: bool
    class_names: tuple[str, ...]
    images: list[CocoImage]


def read_coco(path: Path, class_list: Sequence[str] = ()) -> CocoFile:
    """Reads a file; categories get the class ids 0, 1, ... in the file's order.

    Args:
        path: the JSON.
        class_list: class names in the order of the ids; categories are found in it by their names.

    Raises:
        UserError: the file is no JSON of COCO, or contradicts itself.
    """
    tree = read_json(path, _FIX, _MAX_BYTES)
    if not isinstance(tree, dict):
        raise UserError(f"{path} is JSON, but no object; {_FIX}")
    images, categories, annotations = (
        _entries(tree, key, path) for key in ("images", "categories", "annotations")
    )
    if not images:
        raise UserError(f"{path} has no images; {_FIX}")
    for image in images:
        _check_image(image, path)
    by_id = _by(images, "id", "images", path)
    _by(images, "file_name", "images", path)
    is_panoptic = any("segments_info" in annotation for annotation in annotations)
    regions = _Panoptic(path) if is_panoptic else _Regions(path)
    for annotation in annotations:
        if not _is_key(annotation.get("image_id")) or annotation["image_id"] not in by_id:
            raise _wrong(path, "annotation", annotation, "image_id", "the id of one of the images")
        regions.add(annotation)
    regions.check()
    class_names, ids = _class_ids(categories, regions.categories, class_list, path)
    return CocoFile(
        is_panoptic,
        class_names,
        sorted(
            CocoImage(
                image["file_name"],
                (image["height"], image["width"]),
                regions.files.get(image["id"], ""),
                regions.encode(image["id"], ids),
            )
            for image in images
        ),
    )


class _Regions:
    """The annotations of instances and stuff, by image."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.by_image: dict[Hashable, list[tuple[Hashable, Any, Any]]] = {}
        self.categories: dict[Hashable, None] = {}
        self.files: dict[Hashable, str] = {}
        self.boxes: list[str] = []

    def add(self, annotation: dict[str, Any]) -> None:
        """Adds an annotation; its runs and points are checked when they are drawn."""
        found = annotation.get("segmentation")
        is_runs = isinstance(found, dict) and isinstance(found.get("counts"), (str, list))
        is_points = isinstance(found, list) and all(map(_is_polygon, found))
        if found in (None, [], [[]]):
            self.boxes.append(_id_of(annotation))
        elif not is_runs and not is_points:
            raise _wrong(
                self.path, "annotation", annotation, "segmentation", "polygons of 3 or more points, or runs"
            )
        is_crowd = annotation.get("iscrowd", 0)
        if is_crowd not in (0, 1):
            raise _wrong(self.path, "annotation", annotation, "iscrowd", "0 or 1")
        self._append(annotation["image_id"], annotation, int(is_crowd), found)

    def _append(self, image_id: Hashable, owner: dict[str, Any], *values: Any) -> None:
        category = owner.get("category_id")
        if not _is_key(category):
            raise _wrong(self.path, "annotation", owner, "category_id", "the id of one of the categories")
        self.categories[category] = None
        self.by_image.setdefault(image_id, []).append((category, *values))

    def check(self) -> None:
        """Refuses annotations without a segmentation."""
        if self.boxes:
            raise UserError(
                f"{self.path} has annotations without a segmentation, of which boxes alone are known: "
                f"{some(self.boxes)}; export the data set for segmentation, or remove them"
            )

    def encode(self, image_id: Hashable, ids: dict[Hashable, int]) -> bytes:
        """The regions of an image as JSON, with class ids in place of categories; frees them."""
        found = self.by_image.pop(image_id, [])
        return json.dumps([(ids[category], *values) for category, *values in found]).encode()


class _Panoptic(_Regions):
    """The annotations of a panoptic file: one an image, with a PNG."""

    def add(self, annotation: dict[str, Any]) -> None:
        name, segments = annotation.get("file_name"), annotation.get("segments_info")
        image_id = annotation["image_id"]
        if not isinstance(name, str) or not _is_name(name):
            raise _wrong(self.path, "annotation", annotation, "file_name", "the name of a PNG")
        if image_id in self.files:
            raise _wrong(self.path, "annotation", annotation, "image_id", "in one annotation alone")
        if not isinstance(segments, list) or not all(isinstance(segment, dict) for segment in segments):
            raise _wrong(self.path, "annotation", annotation, "segments_info", "a list of segments")
        self.files[image_id] = name
        ids: set[int] = set()
        for segment in segments:
            if not isinstance(segment.get("id"), int) or not 0 < segment["id"] < 2**24:
                raise _wrong(self.path, "segment", segment, "id", "a number from 1 to 16,777,215")
            if segment["id"] in ids:
                raise _wrong(self.path, "segment", segment, "id", "that of one segment of its image alone")
            ids.add(segment["id"])
            self._append(image_id, segment, segment["id"])


def _class_ids(
    categories: list[dict[str, Any]], used: dict[Hashable, None], class_list: Sequence[str], path: Path
) -> tuple[tuple[str, ...], dict[Hashable, int]]:
    """The class names, and the class id of each category."""
    for category in categories:
        if not _is_key(category.get("id")):
            raise _wrong(path, "category", category, "id", "a number or a text")
        if not isinstance(category.get("name"), str) or not category["name"].strip():
            raise _wrong(path, "category", category, "name", "a text")
    by_id = _by(categories, "id", "categories", path)
    if unknown := [category for category in used if category not in by_id]:
        raise UserError(
            f"{path} has annotations of the categories {some(printable(repr(id)) for id in unknown)}, which "
            "are none of its categories: add them there"
        )
    names = [category["name"].strip() for category in categories]
    if not names:
        raise UserError(f"{path} has no categories, which name the classes; {_FIX}")
    is_used = [category["id"] in used for category in categories]
    class_names, ids = named_ids(names, f"{path}: categories", class_list, is_used)
    return class_names, dict(zip(by_id, ids, strict=True))


def _entries(tree: dict[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    entries = tree.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        found = "no list of objects" if key in tree else "not there"
        raise UserError(f"{path} is no JSON of COCO, since {key!r} is {found}; {_FIX}")
    return entries


def _check_image(image: dict[str, Any], path: Path) -> None:
    if not _is_key(image.get("id")):
        raise _wrong(path, "image", image, "id", "a number or a text")
    if not _is_name(image.get("file_name")):
        raise _wrong(path, "image", image, "file_name", "the name of an image file")
    for key in ("height", "width"):
        size = image.get(key)
        if not isinstance(size, int) or isinstance(size, bool) or not 0 < size < 2**22:
            raise _wrong(path, "image", image, key, "a number of pixels")


def _by(entries: list[dict[str, Any]], key: str, what: str, path: Path) -> dict[Hashable, dict[str, Any]]:
    """The entries by a key that must differ."""
    found: dict[Hashable, dict[str, Any]] = {}
    for entry in entries:
        if entry[key] in found:
            raise UserError(
                f"{path} has two {what} with the {key} {printable(repr(entry[key]))}, which must be unique: "
                "remove or rename one"
            )
        found[entry[key]] = entry
    return found


def _is_key(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


def _is_polygon(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) >= 6
        and len(value) % 2 == 0
        and set(map(type, value)) <= {int, float}
        and min(value) > -1e9
        and max(value) < 1e9
        and not math.isnan(sum(value))
    )


def _id_of(entry: dict[str, Any]) -> str:
    return printable(repr(entry.get("id")))


def _wrong(path: Path, what: str, entry: dict[str, Any], key: str, allowed: str) -> UserError:
    value = f"has the {key} {printable(repr(entry[key]))}" if key in entry else f"has no {key}"
    return UserError(f"{path}: the {what} of id {_id_of(entry)} {value}, which must be {allowed}: correct it")
