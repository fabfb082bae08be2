from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.label_io import read_label_size
from hclip_jax.images.image_io import read_header, read_image, read_image_size
from tests.fuzz.image_files import RAMP, RGB, exif, palette
from tests.labelled_folder import read_label

UPRIGHT = {
    2: RAMP[:, ::-1],
    3: RAMP[::-1, ::-1],
    4: RAMP[::-1],
    5: RAMP.T,
    6: np.rot90(RAMP, -1),
    7: RAMP[::-1, ::-1].T,
    8: np.rot90(RAMP),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("mode", ["L", "P", "I;16", "1"])
def test_a_label_is_turned_by_its_own_exif_orientation(tmp_path: Path, mode: str, orientation: int) -> None:
    ids, expected = RAMP % 2, UPRIGHT[orientation] % 2
    label = {
        "L": Image.fromarray(ids),
        "P": palette(ids),
        "I;16": Image.fromarray(ids.astype(np.uint16)),
        "1": Image.fromarray(ids == 1),
    }[mode]
    path = tmp_path / "label.png"
    label.save(path, exif=exif(orientation))
    assert read_header(path).mode == mode
    np.testing.assert_array_equal(read_label(path, 2), expected)
    assert read_label_size(path) == read_header(path).upright_size == expected.shape


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_the_size_of_an_upright_image_in_every_format(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(RGB).save(path, exif=exif(orientation))
    expected = UPRIGHT[orientation].shape
    assert read_image(path).shape[:2] == read_image_size(path) == expected
    header = read_header(path)
    assert (header.size, header.orientation) == (RGB.shape[:2], orientation)
    assert header.upright_size == expected


def test_an_orientation_that_does_not_exist_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    for orientation in (0, 1, 9, 4711):
        Image.fromarray(RGB).save(path, exif=exif(orientation))
        assert read_image(path).shape == RGB.shape
        assert read_header(path).orientation == 1
