"""Images are the same in bands as at once."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from hclip_jax.images import bands
from hclip_jax.images.bands import resize_bilinear, row_bands, upright_rgb

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (37, 23, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width", "num_bands"), [(10, 5, 5), (3, 5, 2), (4, 1000, 4), (1, 1, 1)])
def test_bands_cover_all_rows(
    height: int, width: int, num_bands: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bands, "BAND_PIXELS", 10)
    slices = list(row_bands(height, width))
    assert len(slices) == num_bands
    assert np.concatenate([np.arange(height)[rows] for rows in slices]).tolist() == list(range(height))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_bands_are_upright_rgb(mode: str, orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "BAND_PIXELS", 100)
    image = Image.fromarray(RGB).convert(mode)
    image.getexif()[0x0112] = orientation
    expected = ImageOps.exif_transpose(image).convert("RGB")
    np.testing.assert_array_equal(upright_rgb(image, orientation), np.asarray(expected))


@pytest.mark.parametrize("size", [(10, 9), (60, 5), (9, 60), (60, 50), (1, 1)])
def test_large_images_are_resized_as_small_ones(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = np.asarray(Image.fromarray(RGB).resize(size[::-1], Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(resize_bilinear(RGB, size), whole)
    monkeypatch.setattr(bands, "BAND_PIXELS", 100)
    monkeypatch.setattr(bands, "LARGE_PIXELS", 0)
    assert np.abs(resize_bilinear(RGB, size).astype(int) - whole).max() <= 1
