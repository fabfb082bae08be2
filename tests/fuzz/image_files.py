"""Small image files of many formats and modes, as bytes."""

import io
from typing import Any

import numpy as np
from PIL import Image

SIZE = (12, 20)  # height, width
RAMP = np.arange(240, dtype=np.uint8).reshape(SIZE)
RGB = np.stack([RAMP, 255 - RAMP, RAMP[::-1]], axis=-1)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of an image in a format of Pillow."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif(orientation: int) -> Image.Exif:
    """EXIF data that hold an orientation and a camera's name."""
    data = Image.Exif()
    data[0x0112] = orientation
    data[0x0110] = "camera"
    return data


def palette(ids: np.ndarray) -> Image.Image:
    """A palette image of uint8 ids."""
    image = Image.fromarray(ids)
    image.putpalette([value for colour in range(256) for value in (colour, 255 - colour, 90)])
    return image


def images() -> list[bytes]:
    """One file of each kind that an image may be."""
    colour, grey = Image.fromarray(RGB), Image.fromarray(RAMP)
    wide = Image.fromarray(RAMP.astype(np.uint16) * 16)
    frames = [Image.fromarray(RGB[::-1])]
    return [
        encoded(colour, "PNG", exif=exif(6)),
        encoded(grey, "PNG"),
        encoded(wide, "PNG"),
        encoded(palette(RAMP % 7), "PNG", transparency=bytes(range(0, 70, 10))),
        encoded(colour, "PNG", save_all=True, append_images=frames),
        encoded(colour, "JPEG", exif=exif(3)),
        encoded(colour, "JPEG", progressive=True),
        encoded(colour, "TIFF", exif=exif(8)),
        encoded(colour, "TIFF", compression="tiff_lzw", save_all=True, append_images=frames),
        encoded(wide, "TIFF", compression="tiff_adobe_deflate"),
        encoded(colour, "WEBP", exif=exif(5)),
        encoded(colour, "WEBP", save_all=True, append_images=frames),
        encoded(colour, "BMP"),
        encoded(palette(RAMP % 7), "BMP"),
        encoded(colour, "GIF", save_all=True, append_images=frames),
        encoded(colour, "PPM"),
    ]


def labels() -> list[bytes]:
    """One file of each kind that a label may be, with the ids 0 to 2 and unlabelled pixels."""
    ids = RAMP % 3
    ids[:, 0] = 255
    wide = np.where(ids == 255, 65535, ids).astype(np.uint16)
    return [
        encoded(Image.fromarray(ids), "PNG"),
        encoded(Image.fromarray(ids), "PNG", exif=exif(6)),
        encoded(palette(ids), "PNG"),
        encoded(Image.fromarray(wide), "PNG"),
        encoded(Image.fromarray(wide), "PNG", exif=exif(3)),
        encoded(Image.fromarray(ids == 1), "PNG"),
        encoded(Image.fromarray(ids), "TIFF"),
        encoded(Image.fromarray(wide), "TIFF"),
        encoded(Image.fromarray(ids), "BMP"),
        encoded(palette(ids), "GIF"),
    ]
