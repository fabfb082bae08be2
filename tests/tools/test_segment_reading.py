"""Images are read ahead in their order, large ones when it is their turn."""

import argparse
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.tools import segment_reading
from hclip_jax.tools.segment_reading import read_images

SMALL, LARGE = (6, 8), (40, 50)


def make_images(folder: Path, sizes: list[tuple[int, int]]) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(len(sizes))]
    for number, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        Image.fromarray(np.full((*size, 3), number, np.uint8)).save(path)
    return paths


def options(folder: Path, batch_size: int) -> argparse.Namespace:
    return argparse.Namespace(output=folder / "out", formats=(), max_megapixels=1.0, batch_size=batch_size)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_order_is_that_of_the_paths(tmp_path: Path, batch_size: int) -> None:
    paths = make_images(tmp_path, [SMALL] * 9)
    paths[4].write_bytes(b"")
    found = list(read_images(paths, options(tmp_path, batch_size)))
    assert [read.path for read in found] == paths
    for number, (_, image, lines) in enumerate(found):
        if number == 4:
            assert image is None
            assert lines[0].startswith("skipped: cannot read")
        else:
            np.testing.assert_array_equal(image, number)
            assert lines == []


def test_large_images_are_read_when_it_is_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_reading, "LARGE_PIXELS", 1000)
    read, done = segment_reading._read, list[str]()

    def recording(path: Path, args: argparse.Namespace) -> segment_reading.Read:
        done.append(path.stem)
        return read(path, args)

    monkeypatch.setattr(segment_reading, "_read", recording)
    paths = make_images(tmp_path, [SMALL, LARGE, SMALL, SMALL])
    results = read_images(paths, options(tmp_path, 2))
    assert next(results).path == paths[0]
    assert "1" not in done
    second = next(results)
    assert second.image is not None
    assert second.image.shape == (*LARGE, 3)
    assert [image.path for image in results] == paths[2:]
    assert sorted(done) == ["0", "1", "2", "3"]
