"""Labels as labelling tools want them: `hclip segment --formats=coco,polygons,masks`."""

import base64
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from hclip_jax.data.rle import encode_mask
from hclip_jax.errors import UserError
from hclip_jax.io.files import write_atomically, write_png
from hclip_jax.io.json_file import format_json
from hclip_jax.tools.segment_inputs import STDIN

if TYPE_CHECKING:
    from hclip_jax.inference.segmentation import Segmentation

FORMATS = ("coco", "polygons", "masks")
COCO_NAME = "_annotations.coco.json"


def split_formats(text: str) -> tuple[str, ...]:
    """The formats of --formats.

    Raises:
        UserError: one is unknown.
    """
    formats = tuple(dict.fromkeys(text.split(","))) if text else ()
    for name in formats:
        if name not in FORMATS:
            raise UserError(
                f"--formats holds {name!r}; choose from {', '.join(FORMATS)}, separated by commas"
            )
    return formats


class CocoFile:
    """The labels of all images of a run as one JSON of COCO; ids of categories are class ids."""

    def __init__(self) -> None:
        self._class_names: tuple[str, ...] = ()
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, segmentation: "Segmentation", path: Path) -> None:
        """Adds the image at `path`, with an annotation for each class that it shows."""
        self._class_names = segmentation.class_names
        height, width = segmentation.ids.shape
        image_id = len(self._images) + 1
        self._images.append({"id": image_id, "file_name": path.name, "width": width, "height": height})
        for t in _present(segmentation):
            mask = segmentation.ids == t
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            top, left = int(rows[0]), int(columns[0])
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": image_id,
                    "category_id": t,
                    "segmentation": {"size": [height, width], "counts": encode_mask(mask)},
                    "area": int(mask.sum()),
                    "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
                    "iscrowd": 0,
                }
            )

    def write(self, output: Path) -> None:
        """Writes the file, unless no image was added.

        Raises:
            UserError: it cannot be written.
        """
        if not self._images:
            return
        categories = [{"id": t, "name": name} for t, name in enumerate(self._class_names)]
        content = {"images": self._images, "categories": categories, "annotations": self._annotations}
        write_atomically(output / COCO_NAME, format_json(content))


def targets(
    path: Path, output: Path, formats: Sequence[str], class_names: Sequence[str] = ()
) -> dict[str, list[Path]]:
    """The files for the image at `path`, by format; of "masks" one for each of the class names."""
    files = {
        "polygons": [output / "polygons" / f"{path.stem}.json"],
        "masks": [output / "masks" / path.stem / f"{name}.png" for name in file_names(class_names)],
    }
    return {name: files[name] for name in formats if name in files}


def write_formats(segmentation: "Segmentation", path: Path, output: Path, formats: Sequence[str]) -> None:
    """Writes the polygons and masks of an image.

    Raises:
        UserError: a file cannot be written.
    """
    files = targets(path, output, formats, segmentation.class_names)
    for target in files.get("polygons", ()):
        write_atomically(target, format_json(_labelme(segmentation, path, target.parent)))
    for t, target in enumerate(files.get("masks", ())):
        write_png(target, Image.fromarray((segmentation.ids == t).astype(np.uint8) * 255))


def file_names(class_names: Sequence[str]) -> list[str]:
    """Names of files for classes: the first synonyms, without characters that file systems refuse."""
    names: dict[str, str] = {}  # by the form that such file systems compare
    for t, class_name in enumerate(class_names):
        name = re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", class_name.partition(",")[0]).strip(" .")[:50]
        if not name or name.casefold() in names:
            name = f"{name}_{t}"
        names[name.casefold()] = name
    return list(names.values())


def _labelme(segmentation: "Segmentation", path: Path, folder: Path) -> dict[str, Any]:
    """The file of LabelMe for the image at `path`; it names the image relative to its own folder.

    Standard input is no file that LabelMe could open, so its image is in the file.
    """
    # Imported here: it takes a while, and most runs write no polygons.
    from hclip_jax.inference.polygons import mask_polygons

    height, width = segmentation.ids.shape
    shapes = [
        {
            "label": segmentation.class_names[t],
            "points": polygon.tolist(),
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
        }
        for t in _present(segmentation)
        for polygon in mask_polygons(segmentation.ids == t)
    ]
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": path.name if path == STDIN else os.path.relpath(path, folder),
        "imageData": _png(segmentation.image) if path == STDIN else None,
        "imageHeight": height,
        "imageWidth": width,
    }


def _png(image: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _present(segmentation: "Segmentation") -> list[int]:
    return [int(t) for t in np.unique(segmentation.ids) if t >= 0]
