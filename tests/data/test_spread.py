"""Large data sets are opened by a sample; the others are refused when they are read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data import digest, folder, listing, spread
from hclip_jax.data.folder import FolderSource
from hclip_jax.data.spread import MOST
from hclip_jax.data.spread import spread as spread_of
from hclip_jax.errors import UserError
from hclip_jax.images import open_image

NUM_PAIRS = 40


@pytest.mark.parametrize("count", [0, 1, 7, MOST, MOST + 1, 50_000, 99_999, 24 * MOST])
def test_indices_are_few_even_and_of_both_kinds(count: int) -> None:
    indices = spread_of(count)
    assert len(indices) <= MOST
    assert len(indices) == count or len(indices) > MOST // 3
    assert all(0 <= index < count for index in indices)
    if count > MOST:
        assert {index % 2 for index in indices} == {0, 1}  # images and labels
        assert count - indices[-1] <= indices.step  # up to the end
    else:
        assert len(indices) == count


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 40 pairs where more than 8 files are many."""

    def few(count: int, most: int = 8) -> range:
        return spread_of(count, min(most, 8))

    for module in (digest, folder, listing):
        monkeypatch.setattr(module, "spread", few)
    monkeypatch.setattr(spread, "MOST", 8)
    for kind in ("images", "labels"):
        (tmp_path / kind / "train").mkdir(parents=True)
    (tmp_path / "classes.txt").write_text("a\nb\n")
    for number in range(NUM_PAIRS):
        write(tmp_path, number)
    return tmp_path


def write(root: Path, number: int, label_size: tuple[int, int] = (8, 9), value: int = 0) -> None:
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(root / f"images/train/{number:02d}.png")
    label = Image.fromarray(np.full(label_size, value, np.uint8))
    label.save(root / f"labels/train/{number:02d}.png")


def test_few_files_are_opened(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    original = open_image.substitute

    def count(path: Path) -> str:
        opened.append(path.name)
        return original(path)

    monkeypatch.setattr(open_image, "substitute", count)
    source = FolderSource(large, "train")
    assert len(source) == NUM_PAIRS
    assert 2 <= len(opened) <= 16


def test_a_pair_that_was_not_looked_at_is_refused_when_it_is_read(large: Path) -> None:
    looked_at = spread_of(NUM_PAIRS, 8)
    skipped = next(number for number in range(NUM_PAIRS) if number not in looked_at)
    write(large, skipped, (8, 8))
    source = FolderSource(large, "train")
    with pytest.raises(UserError, match=f"{skipped:02d}.png is 8x8 and its image 9x8: make each label"):
        source[skipped]
    Image.new("RGB", (9, 8)).save(large / f"labels/train/{skipped:02d}.png")
    with pytest.raises(UserError, match="mode RGB, but a label has a single channel"):
        FolderSource(large, "train")[skipped]
    (large / f"images/train/{skipped:02d}.png").write_bytes(b"")
    with pytest.raises(UserError, match="is empty"):
        FolderSource(large, "train")[skipped]
    write(large, looked_at[1], (8, 8))
    with pytest.raises(UserError, match=r"differ in size: .*8x8"):
        FolderSource(large, "train")


def test_lost_files_of_a_large_folder_are_refused(large: Path) -> None:
    for number in range(NUM_PAIRS):
        path = large / f"images/train/{number:02d}.png"
        path.unlink()
        path.symlink_to("nowhere")
        with pytest.raises(UserError, match="lead to no file"):
            FolderSource(large, "train")
        path.unlink()
        write(large, number)


def test_the_digest_of_a_large_folder(large: Path) -> None:
    first = FolderSource(large, "train").digest()
    assert FolderSource(large, "train").digest() == first
    looked_at = spread_of(2 * NUM_PAIRS, 8)
    label = next(index // 2 for index in looked_at if index % 2)
    write(large, label, value=1)
    changed = FolderSource(large, "train").digest()
    assert changed != first
    write(large, NUM_PAIRS)
    assert FolderSource(large, "train").digest() != changed
