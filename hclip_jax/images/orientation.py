"""EXIF orientation: how cameras store images that are to be turned or mirrored."""

from PIL import ExifTags, Image

_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(image: Image.Image, *, header_only: bool = False) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 where there is none that is valid.

    Args:
        image: an opened image. Pillow turns a TIFF when it loads it, and gives 1 then.
        header_only: leaves out EXIF data behind the pixels of a PNG, which Pillow decodes to find them.
    """
    exif = Image.Image.getexif(image) if header_only else image.getexif()
    value = exif.get(ExifTags.Base.Orientation)
    return value if value in _TRANSPOSES else 1


def turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Returns the size of the upright image, given that of the stored one, and vice versa."""
    return size[::-1] if orientation >= 5 else size


def upright(image: Image.Image) -> Image.Image:
    """Loads and turns an image.

    Unlike `ImageOps.exif_transpose` it does not write the EXIF data again, which fails where they are
    unusual, and does not copy an image that is upright.
    """
    image.load()
    value = orientation(image)
    return image.transpose(_TRANSPOSES[value]) if value > 1 else image
