"""A small labelled folder for tests that break it, and the one issue that its check must report."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from hclip_jax.data.check.folder import check_folder
from hclip_jax.data.check.issues import IssueGroup
from hclip_jax.data.label_io import decode_label, read_raw_label

CLASS_NAMES = ("cat", "traffic light", "sky")
SIZE = (40, 48)  # height, width
NAMES = [f"{split}/{letter}" for split in ("train", "val") for letter in "abcd"]


def make_folder(root: Path) -> None:
    """Writes a folder without issues: four images a split, each with all classes."""
    rng = np.random.default_rng(0)
    for name in NAMES:
        save(root, name, rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8), rng.integers(0, 3, SIZE))
        relabel(root, name, lambda ids: np.where(np.arange(SIZE[1]) == 0, 255, ids))
    (root / "classes.txt").write_text("\n".join(CLASS_NAMES) + "\n")


def save(root: Path, name: str, image: np.ndarray, label: np.ndarray) -> None:
    """Writes an image [H, W, 3] and its label [H, W]."""
    for kind, pixels in (("images", image), ("labels", label)):
        path = root / kind / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)


def relabel(
    root: Path, name: str, change: Callable[[np.ndarray], np.ndarray], dtype: type = np.uint8
) -> None:
    """Replaces the ids [H, W] of a label."""
    path = root / f"labels/{name}.png"
    Image.fromarray(change(np.asarray(Image.open(path)).astype(int)).astype(dtype)).save(path)


def only_issue(root: Path, *items: str, level: str = "error", classes_file: str = "") -> IssueGroup:
    """Checks a folder; asserts that it has a single issue, of this level and with these items."""
    (issue,) = check_folder(root, classes_file).issues
    assert (issue.level, issue.items) == (level, items)
    assert issue.message
    assert issue.fix
    return issue


def read_label(path: Path, num_classes: int) -> np.ndarray:
    """Class ids int32 [H, W] of a label file, as a data set reads them."""
    return decode_label(read_raw_label(path), num_classes, str(path))
