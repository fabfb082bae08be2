"""A labelled folder: six small images of random pixels, three classes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CLASS_NAMES = ("cat", "traffic light", "sky")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    root = tmp_path / "pets"
    for kind in ("images", "labels"):
        (root / kind / "train").mkdir(parents=True)
    for index in range(6):
        height, width = rng.integers(20, 40, 2)
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        label = rng.choice(np.array([0, 1, 2, 255], np.uint8), (height, width))
        Image.fromarray(image).save(root / f"images/train/pet.{index}.png")
        Image.fromarray(label).save(root / f"labels/train/pet.{index}.png")
    (root / "classes.txt").write_text("\n".join(CLASS_NAMES) + "\n")
    return root
