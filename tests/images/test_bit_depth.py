import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.images.image_io import read_image, remarks
from tests.fuzz.image_files import RAMP, RGB


def png_16_bits(pixels: np.ndarray) -> bytes:
    """A PNG of uint16 [H, W, C]: RGB, RGBA, or grey with alpha. Pillow cannot write these."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_grey_values_are_scaled_by_the_bits_in_use(tmp_path: Path, bits: int) -> None:
    top = (1 << bits) - 1
    wide = np.array([[0, 1, top // 3, top]], np.uint16)
    path = tmp_path / "scan.png"
    Image.fromarray(wide).save(path)
    np.testing.assert_array_equal(read_image(path)[0, :, 0], np.round(wide[0] * 255.0 / top))
    assert remarks(path) == [f"uses {bits} of 16 bits: its values are scaled by their range, 0 to {top}"]


def test_16_bits_in_use_and_8_bits_have_no_remark(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    for image in (Image.fromarray(RAMP.astype(np.uint16) * 257), Image.fromarray(RAMP), Image.fromarray(RGB)):
        image.save(path)
        assert remarks(path) == []
    Image.fromarray(RAMP.astype(np.int32)).save(tmp_path / "image.tif")
    assert remarks(tmp_path / "image.tif") == []


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_of_12_bits_keep_16_levels(tmp_path: Path, channels: int) -> None:
    wide = np.repeat(RAMP[..., None].astype(np.uint16) * 17, channels, axis=-1)  # 0 to 4063
    if channels != 3:
        wide[..., -1] = 65535  # alpha is no brightness
    path = tmp_path / "photo.png"
    path.write_bytes(png_16_bits(wide))
    expected = np.round((RAMP.astype(np.uint16) * 17 >> 8) * 255 / 15)
    np.testing.assert_array_equal(read_image(path), np.repeat(expected[..., None], 3, axis=-1))
    assert remarks(path) == ["uses 12 of 16 bits: its values are scaled, with 16 levels that are left"]


def test_colours_that_use_16_bits_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(png_16_bits(RGB.astype(np.uint16) * 257))
    np.testing.assert_array_equal(read_image(path), RGB)
    assert remarks(path) == []
    path.write_bytes(png_16_bits(RGB.astype(np.uint16)))
    assert remarks(path) == ["uses none of the upper 8 of its 16 bits: it is black"]


def test_a_ppm_of_12_bits_states_its_range(tmp_path: Path) -> None:
    path = tmp_path / "scan.ppm"
    wide = io.BytesIO()
    wide.write(b"P6 20 12 4095\n" + (RGB.astype(np.uint16) * 16).astype(">u2").tobytes())
    path.write_bytes(wide.getvalue())
    assert np.abs(read_image(path).astype(int) - RGB).max() <= 1
    assert remarks(path) == []
