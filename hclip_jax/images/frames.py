"""Files that hold several images: animations, and documents of several pages."""

from typing import Any

from PIL import Image

_FORMATS = ("GIF", "PNG", "TIFF", "WEBP")  # not JPEG: phones add a small copy or a depth map
_MAX_PAGES = 64  # that are looked at
_NEW_SUBFILE_TYPE = 254  # the TIFF tag: bit 0 = a smaller copy, bit 2 = a mask


def has_several_frames(image: Image.Image) -> bool:
    """Whether a file holds more than an image, its masks and smaller copies; may leave another page open."""
    if image.format not in _FORMATS:
        return False
    try:
        is_animated = bool(getattr(image, "is_animated", False))
        if image.format != "TIFF" or not is_animated:
            return is_animated
        for page in range(1, _MAX_PAGES):
            image.seek(page)
            tags: Any = getattr(image, "tag_v2", {})
            if not tags.get(_NEW_SUBFILE_TYPE, 0) & 0b101:
                return True
    except Exception:  # EOFError after the last page, many others for a broken one: the first is an image
        return False
    return True
