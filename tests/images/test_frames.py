from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from hclip_jax.images.image_io import FRAMES, read_image, remarks
from tests.fuzz.image_files import RGB

FIRST, SECOND = Image.fromarray(RGB), Image.fromarray(RGB[::-1])


@pytest.mark.parametrize("suffix", ["gif", "png", "tif", "webp"])
def test_several_frames_or_pages_are_named(tmp_path: Path, suffix: str) -> None:
    one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    FIRST.save(one, lossless=True)
    FIRST.save(two, save_all=True, append_images=[SECOND], lossless=True)
    assert remarks(one) == []
    assert remarks(two) == [FRAMES]
    if suffix != "gif":
        np.testing.assert_array_equal(read_image(two), RGB)


@pytest.mark.parametrize(("kind", "is_named"), [(1, False), (4, False), (2, True)])
def test_smaller_copies_and_masks_of_a_tiff_are_no_pages(tmp_path: Path, kind: int, is_named: bool) -> None:
    path = tmp_path / "map.tif"
    second = SECOND.resize((10, 6))
    second.encoderinfo = {"tiffinfo": {254: kind}}
    FIRST.save(path, save_all=True, append_images=[second])
    with Image.open(path) as image:
        image.seek(1)
        assert isinstance(image, TiffImagePlugin.TiffImageFile)
        assert image.tag_v2[254] == kind
    assert remarks(path) == [FRAMES] * is_named


def test_the_depth_map_of_a_phone_is_no_page(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    FIRST.save(path, "MPO", save_all=True, append_images=[SECOND])
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == 2
    assert remarks(path) == []
