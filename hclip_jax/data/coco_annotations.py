"""Checks the annotations of a JSON of COCO, and keeps them by image."""

import json
import math
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from hclip_jax.errors import UserError, printable, some
from hclip_jax.io.progress import console


class Regions:
    """The annotations of instances and stuff, by image.

    Attributes:
        path: the JSON, for messages.
        by_image: id of an image -> (category, whether it is a crowd, segmentation) of each annotation.
        categories: those that an annotation has, in the order of their first one.
        files: id of an image -> its PNG; only of a panoptic file.
        boxes: ids of annotations without a segmentation.
        num_thin: polygons of one or two points, which are left out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.by_image: dict[Hashable, list[tuple[Hashable, Any, Any]]] = {}
        self.categories: dict[Hashable, None] = {}
        self.files: dict[Hashable, str] = {}
        self.boxes: list[str] = []
        self.num_thin = 0

    def add(self, annotation: dict[str, Any]) -> None:
        """Adds an annotation; its runs and points are checked when they are drawn.

        Raises:
            UserError: a field of it is missing or wrong.
        """
        found = annotation.get("segmentation")
        is_runs = isinstance(found, dict) and isinstance(found.get("counts"), (str, list))
        is_points = isinstance(found, list) and all(
            _is_thin(points) or is_polygon(points) for points in found
        )
        if found in (None, [], [[]]):
            self.boxes.append(_id_of(annotation))
        elif not is_runs and not is_points:
            raise wrong(
                self.path, "annotation", annotation, "segmentation", "polygons of 3 or more points, or runs"
            )
        elif is_points:
            polygons = [points for points in found if not _is_thin(points)]
            self.num_thin += len(found) - len(polygons)
            found = polygons
        is_crowd = annotation.get("iscrowd", 0)
        if is_crowd not in (0, 1):
            raise wrong(self.path, "annotation", annotation, "iscrowd", "0 or 1")
        self._append(annotation["image_id"], annotation, int(is_crowd), found)

    def _append(self, image_id: Hashable, owner: dict[str, Any], *values: Any) -> None:
        category = owner.get("category_id")
        if not is_key(category):
            raise wrong(self.path, "annotation", owner, "category_id", "the id of one of the categories")
        self.categories[category] = None
        self.by_image.setdefault(image_id, []).append((category, *values))

    def check(self) -> None:
        """Names what is left out.

        Raises:
            UserError: there are annotations without a segmentation.
        """
        if self.boxes:
            raise UserError(
                f"{self.path} has annotations without a segmentation, of which boxes alone are known: "
                f"{some(self.boxes)}; export the data set for segmentation, or remove them"
            )

        if self.num_thin:
            several = self.num_thin != 1
            console.print(
                f"warning: {self.path}: {self.num_thin:,} polygon{'s' * several} of fewer than 3 points "
                f"{'are' if several else 'is'} left out",
                markup=False,
            )

    def encode(self, image_id: Hashable, ids: dict[Hashable, int]) -> bytes:
        """The regions of an image as JSON, with class ids in place of categories; frees them."""
        found = self.by_image.pop(image_id, [])
        return json.dumps([(ids[category], *values) for category, *values in found]).encode()


class PanopticRegions(Regions):
    """The annotations of a panoptic file: one an image, with a PNG; `by_image` has (category, segment id)."""

    def add(self, annotation: dict[str, Any]) -> None:
        """Adds the segments of an image; see `Regions.add`."""
        name, segments = annotation.get("file_name"), annotation.get("segments_info")
        image_id = annotation["image_id"]
        if not isinstance(name, str) or not is_name(name):
            raise wrong(self.path, "annotation", annotation, "file_name", "the name of a PNG")
        if image_id in self.files:
            raise wrong(self.path, "annotation", annotation, "image_id", "in one annotation alone")
        if not isinstance(segments, list) or not all(isinstance(segment, dict) for segment in segments):
            raise wrong(self.path, "annotation", annotation, "segments_info", "a list of segments")
        self.files[image_id] = name
        ids: set[int] = set()
        for segment in segments:
            if not isinstance(segment.get("id"), int) or not 0 < segment["id"] < 2**24:
                raise wrong(self.path, "segment", segment, "id", "a number from 1 to 16,777,215")
            if segment["id"] in ids:
                raise wrong(self.path, "segment", segment, "id", "that of one segment of its image alone")
            ids.add(segment["id"])
            self._append(image_id, segment, segment["id"])


def is_key(value: Any) -> bool:
    """Whether a value can be an id: a number or a text."""
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def is_name(value: Any) -> bool:
    """Whether a value can be the name of a file."""
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


def is_polygon(value: Any) -> bool:
    """Whether a value is a polygon: a list of x, y, x, y, ... of three or more points."""
    return (
        isinstance(value, list)
        and len(value) >= 6
        and len(value) % 2 == 0
        and set(map(type, value)) <= {int, float}
        and min(value) > -1e9
        and max(value) < 1e9
        and not math.isnan(sum(value))
    )


def _is_thin(value: Any) -> bool:
    """Whether a value is what is left of a tiny polygon: no, one or two points."""
    return isinstance(value, list) and len(value) in (0, 2, 4) and is_polygon((value or [0, 0]) * 3)


def _id_of(entry: dict[str, Any]) -> str:
    return printable(repr(entry.get("id")))


def wrong(path: Path, what: str, entry: dict[str, Any], key: str, allowed: str) -> UserError:
    """The error for a field of an entry: what it is, and the values that are allowed."""
    value = f"has the {key} {printable(repr(entry[key]))}" if key in entry else f"has no {key}"
    return UserError(f"{path}: the {what} of id {_id_of(entry)} {value}, which must be {allowed}: correct it")
