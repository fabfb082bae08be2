import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.label_io import read_label_size
from hclip_jax.errors import UserError
from hclip_jax.images.image_io import read_image, read_image_size

RAMP = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)  # not square, no symmetry
RGB = np.stack([RAMP, 255 - RAMP, RAMP[::-1]], axis=-1)


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def colour_modes() -> dict[str, tuple[Image.Image, np.ndarray, str]]:
    """Images of every mode with their RGB values and a file format."""
    grey = np.repeat(RAMP[..., None], 3, axis=-1)
    alpha = np.random.default_rng(0).integers(0, 256, RAMP.shape, dtype=np.uint8)
    palette = Image.fromarray(RAMP % 7)
    palette.putpalette([value for colour in range(7) for value in (colour, 30 * colour, 200)])
    painted = np.stack([RAMP % 7, 30 * (RAMP % 7), np.full_like(RAMP, 200)], axis=-1)
    wide = RAMP.astype(np.uint16) * 257
    cmyk = np.concatenate([255 - RGB, np.zeros_like(RGB[..., :1])], axis=-1)
    return {
        "RGB": (Image.fromarray(RGB), RGB, "png"),
        "L": (Image.fromarray(RAMP), grey, "png"),
        "LA": (Image.fromarray(np.stack([RAMP, alpha], axis=-1)), grey, "png"),
        "RGBA": (Image.fromarray(np.dstack([RGB, alpha])), RGB, "png"),
        "P": (palette, painted, "png"),
        "1": (Image.fromarray(RAMP % 2 == 1), np.repeat(RAMP[..., None] % 2 * 255, 3, -1), "png"),
        "CMYK": (Image.frombytes("CMYK", (20, 12), cmyk.tobytes()), RGB, "tif"),
        "I;16": (Image.fromarray(wide), grey, "png"),
        "I": (Image.fromarray(wide.astype(np.int32)), grey, "tif"),
    }


@pytest.mark.parametrize("mode", colour_modes())
def test_every_mode_is_converted_to_rgb(tmp_path: Path, mode: str) -> None:
    image, expected, suffix = colour_modes()[mode]
    path = saved(tmp_path / f"image.{suffix}", image)
    with Image.open(path) as stored:
        assert stored.mode == mode
    result = read_image(path)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, expected)


def test_palette_with_transparent_entries(tmp_path: Path) -> None:
    image, expected, _ = colour_modes()["P"]
    path = saved(tmp_path / "image.png", image, transparency=bytes(range(0, 70, 10)))
    np.testing.assert_array_equal(read_image(path), expected)


def test_16_bits_are_rounded_to_8(tmp_path: Path) -> None:
    wide = np.array([[0, 128, 129, 385, 386, 65406, 65407, 65535]], np.uint16)
    path = saved(tmp_path / "wide.png", Image.fromarray(wide))
    np.testing.assert_array_equal(read_image(path)[0, :, 0], [0, 0, 1, 1, 2, 254, 255, 255])


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, RGB),
        (2, RGB[:, ::-1]),
        (3, RGB[::-1, ::-1]),
        (4, RGB[::-1]),
        (5, RGB.swapaxes(0, 1)),
        (6, np.rot90(RGB, -1)),
        (7, RGB[::-1, ::-1].swapaxes(0, 1)),
        (8, np.rot90(RGB)),
    ],
)
def test_exif_orientation(tmp_path: Path, orientation: int, upright: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "rotated.png", Image.fromarray(RGB), exif=exif)
    np.testing.assert_array_equal(read_image(path), upright)
    assert read_image_size(path) == upright.shape[:2]


def bomb(path: Path) -> Path:
    """Writes a PNG of some hundred bytes whose header claims 40,000 x 40,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def broken_files(folder: Path) -> dict[str, Path]:
    whole = saved(folder / "whole.jpg", Image.fromarray(RGB)).read_bytes()
    files = {"truncated": whole[:-200], "text": b"not an image", "empty": b""}
    paths = {}
    for name, content in files.items():
        paths[name] = folder / f"{name}.jpg"
        paths[name].write_bytes(content)
    float_image = Image.fromarray(RAMP.astype(np.float32))
    return paths | {
        "missing": folder / "missing.jpg",
        "folder": folder,
        "bomb": bomb(folder / "bomb.png"),
        "float": saved(folder / "float.tif", float_image),
    }


@pytest.mark.parametrize("kind", ["truncated", "text", "empty", "missing", "folder", "bomb", "float"])
def test_unreadable_image_is_named(tmp_path: Path, kind: str) -> None:
    path = broken_files(tmp_path)[kind]
    with pytest.raises(UserError) as caught:
        read_image(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("largest", "expected"), [(200, 200), (65535, 255)])
def test_32_bit_grey_holds_8_or_16_bits(tmp_path: Path, largest: int, expected: int) -> None:
    grey = np.array([[0, largest]], np.int32)
    rgb = read_image(saved(tmp_path / "grey.tif", Image.fromarray(grey)))
    np.testing.assert_array_equal(rgb[0, :, 0], [0, expected])


def test_only_image_formats_are_opened_whatever_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"  # Pillow gives PostScript to a program, Ghostscript
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n%%EOF\n")
    with pytest.raises(UserError, match=r"photo\.jpg as an image \(its format is none of"):
        read_image_size(path)


def test_a_too_large_image_is_refused_with_its_size_and_the_limit(tmp_path: Path) -> None:
    message = (
        r"bomb\.png has 40,000 x 40,000 pixels \(1,600.0 megapixels\), but at most 180 megapixels .*tiles"
    )
    for read in (read_image, read_image_size, read_label_size):
        with pytest.raises(UserError, match=message):
            read(bomb(tmp_path / "bomb.png"))


def test_an_image_below_the_limit_is_read_without_a_warning(tmp_path: Path) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    path = saved(tmp_path / "large.png", Image.new("1", (9600, 9500)))  # 91 megapixels: Pillow warns
    assert read_image_size(path) == (9500, 9600)
    assert limit == Image.MAX_IMAGE_PIXELS  # belongs to the user's program
    with pytest.raises(
        UserError, match=r"9,600 x 9,500 pixels \(91.2 megapixels\), but at most 91 megapixels"
    ):
        read_image(path, max_megapixels=91)


def test_a_very_long_image_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "long.png", Image.new("1", (2**22 + 1, 1)))
    with pytest.raises(UserError, match=r"4,194,305 x 1 pixels .* 4,194,304 pixels a side"):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a pointer of Git LFS"),
        (b"<!DOCTYPE html><html></html>", "it is a web page"),
        (b"%PDF-1.7", r"\(its format is none of BMP, GIF, JPEG, .*\): convert it"),
    ],
)
def test_things_in_place_of_an_image_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"cannot read .*photo.jpg as an image:? {message}") as caught:
        read_image(path)
    assert str(caught.value).count(str(path)) == 1


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UserError, match=r"pipe\.png as an image: it is a device or pipe, not a file"):
        read_image(tmp_path / "pipe.png")


def test_the_reason_of_the_system_is_named_and_the_path_once(tmp_path: Path) -> None:
    (tmp_path / "loop.png").symlink_to("loop.png")
    too_long = tmp_path / ("n" * 300)
    for path, reason in ((tmp_path / "loop.png", "symbolic links"), (too_long, "File name too long")):
        with pytest.raises(UserError, match=rf"cannot read .* \(.*{reason}.*\): give a file") as caught:
            read_image(path)
        assert str(caught.value).count(str(path)) == 1
