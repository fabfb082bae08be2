"""A small labelled folder to be broken, and the one finding that breaking it must lead to."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from hclip_jax.data.check.folder import check_folder
from hclip_jax.data.check.issues import IssueGroup

CLASSES = ("cat", "traffic light", "sky")
SIZE = (40, 48)  # height, width
NAMES = [f"{split}/{letter}" for split in ("train", "val") for letter in "abcd"]


def make_folder(root: Path) -> None:
    """Writes a folder with which nothing is wrong: four pictures a split, all classes in each."""
    rng = np.random.default_rng(0)
    for name in NAMES:
        save(root, name, rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8), rng.integers(0, 3, SIZE))
        relabel(root, name, lambda ids: np.where(np.arange(SIZE[1]) == 0, 255, ids))
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")


def save(root: Path, name: str, picture: np.ndarray, label: np.ndarray) -> None:
    for kind, pixels in (("images", picture), ("labels", label)):
        path = root / kind / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)


def relabel(
    root: Path, name: str, change: Callable[[np.ndarray], np.ndarray], dtype: type = np.uint8
) -> None:
    path = root / f"labels/{name}.png"
    Image.fromarray(change(np.asarray(Image.open(path)).astype(int)).astype(dtype)).save(path)


def found(root: Path, *where: str, level: str = "error", classes_file: str = "") -> IssueGroup:
    """Returns the finding of a folder, which must have one of this level and at these places only."""
    (finding,) = check_folder(root, classes_file).findings
    assert (finding.level, finding.where) == (level, where)
    assert finding.what
    assert finding.fix
    return finding
