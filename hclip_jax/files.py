"""Writing files so that a reader never meets half of one."""

import io
import os
import uuid
from pathlib import Path

from PIL import Image

from hclip_jax.errors import UserError


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file under a temporary name beside its place, then renames it over what is there.

    Missing folders are made. If writing fails, the previous file is untouched and nothing is left.

    Args:
        path: where the file is to be.
        content: bytes, or text, which is stored as UTF-8 with its newlines as they are.

    Raises:
        UserError: the file cannot be written (no permission, a full disk, a folder of that name).
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); choose a folder with space that you may write to."
        ) from error


def write_picture(path: Path, picture: Image.Image) -> None:
    """Writes a picture as PNG, as `write_atomically` does."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    write_atomically(path, buffer.getvalue())
