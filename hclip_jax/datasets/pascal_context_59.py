"""PASCAL-Context with 59 classes; background is ignored (with it, it would be PC-60)."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from hclip_jax.data.rle import decode_mask
from hclip_jax.datasets import pascal_context_files as context
from hclip_jax.datasets.dataset import Archive, Dataset, Example, FileError, Files, Listing
from hclip_jax.datasets.images import check_same_size, distinct, read_image
from hclip_jax.datasets.locate import stems
from hclip_jax.datasets.package_files import lookup_table
from hclip_jax.errors import UserError, printable
from hclip_jax.io.substitutes import substitute

KEY = "pascal_context_59"
_JSON = Archive(
    "trainval_merged.json",
    "https://codalabuser.blob.core.windows.net/public/trainval_merged.json",
    0,
    "md5 3c2d0c0656b7be9eb61928ffe885d8ce",
)
_NUM_RAW_IDS = 65536


def _list_split(root: Path, split: str) -> Listing:
    path = context.annotation(root, _JSON.name, _JSON)
    images, masks = _read_json(path)
    without = [image["file_name"] for image in images if image["image_id"] not in masks]
    if without:
        raise UserError(
            f"{path} has no mask of {printable(str(without[0]))}, but every image has one: download it again"
        )
    jpegs = stems(root / "JPEGImages", ".jpg")
    files, missing = [], []
    for image in sorted(images, key=lambda image: image["file_name"]):
        name = Path(image["file_name"]).stem
        label = (path, image["height"], image["width"], masks[image["image_id"]])
        if name in jpegs:
            files.append(Files(name, jpegs[name], label))
        else:
            missing.append(image["file_name"])
    return Listing(files, missing)


def _read_json(path: Path) -> tuple[list[dict[str, Any]], dict[int, list[tuple[int, Any]]]]:
    """The validation images, and their masks by image id in the order of the file."""
    try:
        if instead := substitute(path):
            raise UserError(f"{path} {instead}")
        content = json.loads(path.read_bytes())
        images = [image for image in content["images"] if image["phase"] == "val"]
        wanted = {image["image_id"] for image in images}
        masks: dict[int, list[tuple[int, Any]]] = defaultdict(list)
        for item in content["annos_segmentation"]:
            if item["image_id"] in wanted:
                masks[item["image_id"]].append((int(item["category_id"]), item["segmentation"]))
        for image in images:
            int(image["height"]), int(image["width"]), Path(image["file_name"])
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} is not the list of PASCAL in Detail ({type(error).__name__}: "
            f"{printable(str(error))}), but must hold images and annos_segmentation: "
            f"download {_JSON.name} again ({_JSON.checksum})"
        ) from error
    return images, dict(masks)


def _read(files: Files) -> Example:
    if isinstance(files.label, Path):  # other_labels
        image, raw = context.read_label_map(files)
    else:
        image, raw = _read_masks(files)
    return Example(image, lookup_table(KEY, _NUM_RAW_IDS, np.uint8)[raw], distinct(raw, _NUM_RAW_IDS))


def _read_masks(files: Files) -> tuple[bytes, np.ndarray]:
    image, size = read_image(files.image)
    path, height, width, masks = files.label
    check_same_size(Path(f"the mask of {files.name} in {path}"), (height, width), size)
    raw = np.zeros((height, width), np.uint16)
    try:
        for category, segmentation in masks:  # a later mask covers an earlier one
            if list(segmentation["size"]) != [height, width]:
                raise ValueError(f"its size is {printable(str(segmentation['size']))}")
            raw[decode_mask(segmentation["counts"], height, width)] = category
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise FileError(
            f"a mask of {files.name} in {path} is damaged ({error})",
            f"but it must cover the image: download {_JSON.name} again ({_JSON.checksum})",
        ) from error
    return image, raw


DATASET = Dataset(
    key=KEY,
    title="PASCAL-Context 59",
    splits={"val": context.VAL},
    label_dtype=np.uint8,
    num_label_ids=59,
    layout="JPEGImages of VOC 2010, with trainval_merged.json beside it",
    roots=context.ROOTS,
    archives=(context.VOC_2010, _JSON),
    terms=context.TERMS,
    is_root=context.is_root,
    list_split=_list_split,
    read=_read,
    other_labels={"mat": context.list_mats},  # as those who trained before the .json was published
)
