"""A small data set with the labels of COCO, for tests that break it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hclip_jax.data.rle import encode_mask

SIZE = (6, 8)  # height, width


def runs_of(mask: np.ndarray) -> list[int]:
    """The runs of a mask as numbers."""
    values = np.concatenate([[False], mask.T.ravel()])
    changes = np.flatnonzero(values[1:] != values[:-1])
    return np.diff([0, *changes, mask.size]).tolist()


def boxed(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    """A mask of a box."""
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


def instances() -> dict[str, Any]:
    """Two images: one with a polygon, runs and a string of runs, of the ids 90, 7 and 12; one without any."""
    runs = {"size": list(SIZE), "counts": runs_of(boxed(0, 0, 6, 8))}
    string = {"size": list(SIZE), "counts": encode_mask(boxed(2, 2, 4, 5))}
    polygon = [[1, 1, 6, 1, 6, 5, 1, 5]]
    annotations = [(90, string, 0), (7, polygon, 0), (12, runs, 1)]
    return {
        "info": {},
        "images": [
            {"id": 5, "file_name": "b.png", "height": SIZE[0], "width": SIZE[1]},
            {"id": 3, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]},
        ],
        "categories": [{"id": 90, "name": "cat"}, {"id": 7, "name": "sky"}, {"id": 12, "name": "grass"}],
        "annotations": [
            {"id": 100 + n, "image_id": 5, "category_id": c, "segmentation": s, "iscrowd": k}
            for n, (c, s, k) in enumerate(annotations)
        ],
    }


def label() -> np.ndarray:
    """The class ids of the first image."""
    ids = np.full(SIZE, 2)
    ids[1:5, 1:6] = 1
    ids[2:4, 2:5] = 0
    return ids


def write(root: Path, content: dict[str, Any], name: str = "instances.json") -> None:
    """Writes a JSON, and the images a.png and b.png."""
    (root / "images").mkdir(exist_ok=True)
    for index, stem in enumerate("ab"):
        Image.new("RGB", SIZE[::-1], (index, 0, 0)).save(root / f"images/{stem}.png")
    (root / name).write_text(json.dumps(content))


def panoptic(root: Path) -> dict[str, Any]:
    """A panoptic JSON of the same labels; writes its PNGs."""
    content = instances()
    ids = np.array([70000, 300, 4])[label()]  # of segments
    (root / "panoptic").mkdir()
    pixels = np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)
    pixels[0, 0] = 0
    Image.fromarray(pixels).save(root / "panoptic/b.png")
    Image.new("RGB", SIZE[::-1]).save(root / "panoptic/a.png")
    segments = [
        {"id": 70000, "category_id": 90, "iscrowd": 0},
        {"id": 300, "category_id": 7, "iscrowd": 0},
        {"id": 4, "category_id": 12, "iscrowd": 1},
    ]
    content["annotations"] = [
        {"image_id": 5, "file_name": "b.png", "segments_info": segments},
        {"image_id": 3, "file_name": "a.png", "segments_info": []},
    ]
    return content
