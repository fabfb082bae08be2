"""A made-up Cityscapes in the official layout, and its labels by a table of our own."""

from pathlib import Path

import numpy as np
from PIL import Image

# labels.py of cityscapesscripts: the ids 0 to 33 with their train ids.
TRAIN_IDS = np.array(
    [255] * 7 + [0, 1, 255, 255, 2, 3, 4, 255, 255, 255, 5, 255, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    + [255, 255, 16, 17, 18],
    np.uint8,
)  # fmt: skip


def make_cityscapes(root: Path) -> dict[str, np.ndarray]:
    """Writes two cities of val, one of train and files that are no labels; returns labels by SPLIT/NAME."""
    random = np.random.default_rng(0)
    expected = {}
    for split, name in (
        ("val", "frankfurt_000000_000294"),
        ("val", "frankfurt_000001_000538"),
        ("val", "munster_000000_000019"),
        ("train", "aachen_000000_000019"),
    ):
        city = name.partition("_")[0]
        images, labels = (root / kind / split / city for kind in ("leftImg8bit", "gtFine"))
        images.mkdir(parents=True, exist_ok=True)
        labels.mkdir(parents=True, exist_ok=True)
        ids = random.integers(0, 34, (24, 48), dtype=np.uint8)
        ids[0, :34] = np.arange(34)
        Image.fromarray(random.integers(0, 256, (24, 48, 3), dtype=np.uint8)).save(
            images / f"{name}_leftImg8bit.png"
        )
        Image.fromarray(ids).save(labels / f"{name}_gtFine_labelIds.png")
        Image.fromarray(ids.astype(np.uint16) * 1000).save(labels / f"{name}_gtFine_instanceIds.png")
        Image.fromarray(np.zeros((24, 48, 4), np.uint8)).save(labels / f"{name}_gtFine_color.png")
        (labels / f"{name}_gtFine_polygons.json").write_text("{}")
        expected[f"{split}/{name}"] = TRAIN_IDS[ids]
    return expected
