"""Writing files so that a reader never meets half of one."""

import io
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from hclip_jax.errors import UserError


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside a file's place and renames it over what is there at the end.

    Missing folders are made. If the block fails, the previous file is untouched and nothing is left.

    Args:
        path: where the file is to be.

    Yields:
        Where to write it.

    Raises:
        UserError: the file cannot be written (no permission, a full disk, a folder of that name).
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror or error}); "
            f"choose a folder with space that you may write to."
        ) from error


def check_absent(target: Path) -> None:
    """Raises UserError if there is something at `target` already; an empty folder is nothing."""
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UserError(f"{target} exists already; give another target, or remove it first")


@contextmanager
def create_atomically(target: Path) -> Iterator[Path]:
    """Gives a place for a file or folder of the name of `target` and moves it to that at the end.

    If the block fails, nothing is left.

    Args:
        target: where it is to be; there must be nothing yet.

    Yields:
        Where to write it.

    Raises:
        UserError: there is something already, or it cannot be written.
    """
    check_absent(target)
    temporary = target.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        temporary.mkdir(parents=True)
        try:
            yield temporary / target.name
            (temporary / target.name).replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{target} cannot be written ({error.strerror or error}); "
            f"choose a folder with space that you may write to."
        ) from error


@contextmanager
def create_dir_atomically(target: Path) -> Iterator[Path]:
    """Gives an empty folder to write into, which is moved to `target` at the end; else as `create_atomically`."""
    with create_atomically(target) as folder:
        folder.mkdir()
        yield folder


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a whole file as `replace_atomically` does, with its errors.

    Args:
        path: where the file is to be.
        content: bytes, or text, which is stored as UTF-8 with its newlines as they are.
    """
    with replace_atomically(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_png(path: Path, picture: Image.Image) -> None:
    """Writes a picture as PNG, as `write_atomically` does."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    write_atomically(path, buffer.getvalue())
