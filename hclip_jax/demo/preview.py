"""Previews of uploads that browsers cannot show."""

import base64
import io
from pathlib import Path

from PIL import Image

from hclip_jax.errors import UserError
from hclip_jax.images.bands import resize_bilinear
from hclip_jax.images.image_io import read_image

_HIDDEN = (".tif", ".tiff", ".pgm", ".ppm")  # no browser but Safari shows them
_EDGE = 800  # pixels


def preview(path: Path, max_megapixels: float) -> str:
    """A reduced PNG of an upload as the address of an image, "data:..."; "" where the browser needs none.

    Args:
        path: the upload.
        max_megapixels: a larger one has none. Why is said when it is to be segmented.
    """
    if path.suffix.lower() not in _HIDDEN:
        return ""
    try:
        image = read_image(path, max_megapixels)
    except (UserError, OSError, MemoryError):
        return ""
    scale = min(1, _EDGE / max(image.shape[:2]))
    size = max(1, round(scale * image.shape[0])), max(1, round(scale * image.shape[1]))
    buffer = io.BytesIO()
    Image.fromarray(resize_bilinear(image, size) if scale < 1 else image).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
