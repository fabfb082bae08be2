"""Reads a JSON of COCO (instances, stuff or panoptic) and checks it; the regions are kept as text."""

from collections.abc import Hashable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from hclip_jax.data.coco_annotations import PanopticRegions, Regions, is_key, is_name, wrong
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
    if "shapes" in tree and "images" not in tree:
        raise UserError(
            f"{path} is a JSON of LabelMe, of one image: give a pattern of the JSONs of all, such as *.json, "
            "and one of the images, such as *.*"
        )
    images, categories, annotations = (
        _entries(tree, key, path) for key in ("images", "categories", "annotations")
    )
    if not images:
        raise UserError(f"{path} has no images; {_FIX}")
    for image in images:
        _check_image(image, path)
        image["file_name"] = str(PurePosixPath(image["file_name"]))  # ./a.jpg is a.jpg
    by_id = _by(images, "id", "images", path)
    _by(images, "file_name", "images", path)
    is_panoptic = any("segments_info" in annotation for annotation in annotations)
    regions = PanopticRegions(path) if is_panoptic else Regions(path)
    for annotation in annotations:
        if not is_key(annotation.get("image_id")) or annotation["image_id"] not in by_id:
            raise wrong(path, "annotation", annotation, "image_id", "the id of one of the images")
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


def _class_ids(
    categories: list[dict[str, Any]], used: dict[Hashable, None], class_list: Sequence[str], path: Path
) -> tuple[tuple[str, ...], dict[Hashable, int]]:
    """The class names, and the class id of each category."""
    for category in categories:
        if not is_key(category.get("id")):
            raise wrong(path, "category", category, "id", "a number or a text")
        if not isinstance(category.get("name"), str) or not category["name"].strip():
            raise wrong(path, "category", category, "name", "a text")
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
    if not is_key(image.get("id")):
        raise wrong(path, "image", image, "id", "a number or a text")
    if not is_name(image.get("file_name")):
        raise wrong(path, "image", image, "file_name", "the name of an image file")
    for key in ("height", "width"):
        size = image.get(key)
        if not isinstance(size, int) or isinstance(size, bool) or not 0 < size < 2**22:
            raise wrong(path, "image", image, key, "a number of pixels")


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
