import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.check.folder import check_folder
from hclip_jax.data.check.pair import CheckedPair
from hclip_jax.tools.check_previews import choose_previews, draw_preview
from tests.labelled_folder import CLASS_NAMES, NAMES, make_folder, relabel


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_folder(tmp_path / "pets")
    return tmp_path / "pets"


def pairs(root: Path, split: str) -> list[CheckedPair]:
    return [pair for pair in check_folder(root).pairs if pair.split == split]


def test_previews_cover_classes_greedily(root: Path) -> None:
    ids_by_letter = {"a": [0], "b": [1, 2], "c": [1, 2], "d": [0, 1]}
    for letter, ids in ids_by_letter.items():
        relabel(root, f"train/{letter}", lambda label, ids=ids: np.resize(ids, label.shape))
    train = pairs(root, "train")
    assert [pair.files.image.stem for pair in choose_previews(train, 3)] == ["b", "d", "c"]
    assert len(choose_previews(train, 9)) == 4


def test_pairs_of_different_sizes_have_no_preview(root: Path) -> None:
    relabel(root, "val/a", lambda ids: ids[1:])
    assert [pair.files.image.stem for pair in choose_previews(pairs(root, "val"), 9)] == ["b", "c", "d"]


def test_invalid_ids_are_drawn_as_unlabelled_pixels(root: Path) -> None:
    def preview() -> bytes:
        (pair,) = choose_previews(pairs(root, "val"), 1)
        file = io.BytesIO()
        draw_preview(pair, CLASS_NAMES).save(file, "PNG")
        return file.getvalue()

    for name in NAMES[5:]:
        relabel(root, name, lambda ids: np.full_like(ids, 255))
    original = preview()
    relabel(root, "val/a", lambda ids: np.where(ids == 2, 255, ids))
    unlabelled = preview()
    relabel(root, "val/a", lambda ids: np.where(ids == 255, 99, ids))
    assert unlabelled == preview() != original


def test_labels_that_may_not_be_turned_come_first(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    relabel(root, "val/d", np.zeros_like)  # the fewest classes
    with Image.open(root / "images/val/d.png") as image:
        image.save(root / "images/val/d.png", exif=exif)
    assert [pair.files.image.stem for pair in choose_previews(pairs(root, "val"), 2)] == ["d", "a"]
