"""Atomic writing: other programs see the old file or the new one, never a part. Checksums."""

import errno
import hashlib
import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hclip_jax.errors import UserError
from hclip_jax.io.paths import is_address

if TYPE_CHECKING:
    from PIL import Image


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder and renames it to `path` at the end of the block.

    Missing folders are created. If the block fails, the old file is unchanged and the temporary one removed.
    After a power cut, too, the file is the old one or the new one. The temporary file of an address is on
    this machine and is copied at the end: an object store shows an object when it is whole.

    Args:
        path: the file to write or replace.

    Yields:
        The temporary path to write to.

    Raises:
        UserError: the file cannot be written (no permission, a full disk, a folder of that name).
    """
    if is_address(path):
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / path.name
            with _os_errors_name(path):
                copy_file(Path(folder) / path.name, path)
        return
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    with _os_errors_name(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _write_to_disk(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Raises UserError if no file can be created in `folder`, which may be missing; nothing remains."""
    if is_address(folder):
        with _os_errors_name(folder):
            probe = folder / f".{uuid.uuid4().hex}.tmp"
            probe.write_bytes(b"x")
            probe.unlink()
        return
    missing = [path for path in (folder, *folder.parents) if not os.path.exists(path)]
    with _os_errors_name(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x")
        finally:
            for path in missing:
                with suppress(OSError):
                    path.rmdir()


def check_absent(target: Path) -> None:
    """Raises UserError if `target` exists; an empty folder counts as absent."""
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UserError(f"{target} exists already; give another target, or remove it first")


def check_creatable(target: Path) -> None:
    """Checks, before expensive work, that `target` does not exist and that its folder can be written to.

    Raises:
        UserError: `target` exists already, or cannot be written.
    """
    with _os_errors_name(target):
        check_absent(target)
        folder = next(parent for parent in target.absolute().parents if parent.exists())
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextmanager
def create_atomically(target: Path) -> Iterator[Path]:
    """Yields a temporary path named like `target` and renames it to `target` at the end of the block.

    If the block fails, nothing remains.

    Args:
        target: the file or folder to create; it must not exist yet.

    Yields:
        The temporary path to write to; nothing exists there yet.

    Raises:
        UserError: `target` exists already, or cannot be written.
    """
    check_absent(target)
    temporary = target.with_name(f".{uuid.uuid4().hex}.tmp")
    with _os_errors_name(target):
        temporary.mkdir(parents=True)
        try:
            yield temporary / target.name
            (temporary / target.name).replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def create_dir_atomically(target: Path) -> Iterator[Path]:
    """As `create_atomically`; the yielded path is an empty folder."""
    with create_atomically(target) as folder:
        folder.mkdir()
        yield folder


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a whole file, as `replace_atomically`.

    Args:
        path: the file to write or replace.
        content: bytes, or text, which is stored as UTF-8 with its newlines unchanged.

    Raises:
        UserError: the file cannot be written.
    """
    content = content.encode() if isinstance(content, str) else content
    if is_address(path):
        with _os_errors_name(path):
            path.write_bytes(content)
        return
    with replace_atomically(path) as temporary:
        temporary.write_bytes(content)


def append_text(path: Path, text: str) -> None:
    """Appends UTF-8 to a file of this machine, which is created if it does not exist.

    Raises:
        UserError: the file cannot be written.
    """
    with _os_errors_name(path), path.open("a", encoding="utf-8") as file:
        file.write(text)


def write_png(path: Path, image: "Image.Image", *, is_photo: bool = False) -> None:
    """Writes an image as PNG, as `write_atomically`.

    A photo hardly shrinks by more than the fastest compression: that takes 12 ms instead of 39 for an overlay
    of 640 x 480 pixels, and 4 % more bytes. Labels shrink to a few kB, in a millisecond.
    """
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1 if is_photo else 6)
    write_atomically(path, buffer.getvalue())


def copy_file(source: Path, target: Path) -> None:
    """Copies a file from or to an address, not atomically on this machine.

    Raises:
        OSError: it cannot be copied.
    """
    with source.open("rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer, 2**20)


def _write_to_disk(path: Path) -> None:
    """Waits until the disk has the content of a file.

    Without it, systems may store the new name first, and after a power cut the name has an empty file. It
    takes less than a millisecond a small file on an SSD, so images get it too.
    """
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sha256_of(path: Path) -> str:
    """The sha256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _os_errors_name(path: Path) -> Iterator[None]:
    """Converts an OSError of the block to a UserError that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            fix = "choose a shorter name"
        elif error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP):
            fix = "choose another name or folder"
        else:
            fix = "choose a folder with space that you may write to"
        raise UserError(f"{path} cannot be written ({error.strerror or error}); {fix}") from error
    except UserError:
        raise
    except Exception as error:  # the libraries of object stores have their own
        if not is_address(path):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path} cannot be written ({reason}); check the address and your access") from error
