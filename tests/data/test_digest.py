import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data import digest
from hclip_jax.data.digest import digest_files
from hclip_jax.data.folder import FolderSource


def test_the_digest_of_a_folder_changes_with_its_images_and_not_with_their_place(tmp_path: Path) -> None:
    root, noise = tmp_path / "data", np.random.default_rng(0).integers(0, 256, (3, 8, 9, 3), np.uint8)
    for folder in ("images/train", "labels/train"):
        (root / folder).mkdir(parents=True)
    (root / "classes.txt").write_text("a\nb\n")

    def add(name: str, image: np.ndarray, label: int) -> None:
        Image.fromarray(image).save(root / f"images/train/{name}.bmp")  # all files have the same size
        Image.fromarray(np.full((8, 9), label, np.uint8)).save(root / f"labels/train/{name}.png")

    def digest(place: Path = root) -> str:
        return FolderSource(place, "train").digest()

    add("x", noise[0], 0)
    add("y", noise[1], 0)
    first = digest()
    shutil.copytree(root, tmp_path / "copy")
    for path in (tmp_path / "copy").rglob("*.*"):
        os.utime(path, (1, 1))
    assert digest(tmp_path / "copy") == first
    add("y", noise[2], 0)
    assert digest() != first
    add("y", noise[1], 1)
    assert digest() != first
    add("y", noise[1], 0)
    assert digest() == first
    add("z", noise[2], 0)
    assert digest() != first


def test_order_and_names_count(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_bytes(path.name.encode())
    assert digest_files(paths) != digest_files(paths[::-1])
    assert len(digest_files([])) == 64


@pytest.mark.parametrize("num_blocks", [256, 1])
def test_records_of_the_same_size_count(
    num_blocks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of array_record is padded with zeros to whole blocks, so that size and end say little."""
    monkeypatch.setattr(digest, "_NUM_BLOCKS", num_blocks)
    found = set()
    for place, record in enumerate((b"label 1", b"label 2", b"label 1")):
        path = tmp_path / str(place) / "set-val.array_record-00000-of-00001"
        path.parent.mkdir()
        path.write_bytes(record.ljust(2**17, b"\0"))
        found.add(digest_files([path]))
    assert len(found) == 2


def test_every_file_of_the_largest_benchmark_counts(tmp_path: Path) -> None:
    for place, content in enumerate((b"1", b"2")):
        (tmp_path / str(place)).mkdir()
        (tmp_path / str(place) / "a.png").write_bytes(content)
    same = [tmp_path / "0/a.png"] * 10_210
    changed = [[*same[:index], tmp_path / "1/a.png", *same[index + 1 :]] for index in (1, 2)]
    assert len({digest_files(paths) for paths in (same, *changed)}) == 3
