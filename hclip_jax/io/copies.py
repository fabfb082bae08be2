"""Files of object stores: copies on this machine, and folders that are moved and removed there."""

import atexit
import functools
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, cast

from hclip_jax.errors import UserError
from hclip_jax.io import cache
from hclip_jax.io.files import copy_file, replace_atomically, sha256_of, write_atomically
from hclip_jax.io.paths import changed_at, files_below, is_address, size_of

MAX_BYTES = 2**34
"""Limit of the folder with copies: ViT-L in float32 takes 1.7 GB."""
_CHECKSUM = ".sha256"


def local_copy(path: Path) -> Path:
    """A copy of a file on this machine, for libraries that read no addresses; a file of this machine itself.

    The copy lies in `copies` in the cache folder under its address, size and time, with its checksum, which
    is verified at each use. Copies that were not used for longest are removed above MAX_BYTES. Without a
    cache folder, it lives as long as the process.

    Raises:
        UserError: it cannot be read, or its copy not be written.
    """
    if not is_address(path):
        return path
    try:
        state = f"{path} {size_of(path)} {changed_at(path)}"
        folder = _folder() / hashlib.sha256(state.encode()).hexdigest()[:32]
        copy, checksum = folder / path.name, folder / f"{path.name}{_CHECKSUM}"
        if not _is_whole(copy, checksum):
            with replace_atomically(copy) as temporary:
                copy_file(path, temporary)
                digest = sha256_of(temporary)
            write_atomically(checksum, digest)
            cache.trim(_folder(), MAX_BYTES)
    except UserError:
        raise
    except Exception as error:  # the libraries of object stores have their own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path} cannot be read ({reason}); check the address and your access") from error
    return copy


def _is_whole(copy: Path, checksum: Path) -> bool:
    try:
        os.utime(copy)  # its last use
        return sha256_of(copy) == checksum.read_text()
    except OSError:
        return False


def _folder() -> Path:
    found = cache.folder()
    return _temporary_folder() if found is None else found / "copies"


@functools.cache
def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def move_folder(source: Path, target: Path, mark: str) -> None:
    """Moves a folder, at an address file by file.

    An object store cannot rename: the file `mark`, which says that a folder is complete, is copied last and
    removed first, so that after a kill each folder that has it is whole.

    Raises:
        OSError: it cannot be moved.
    """
    if not is_address(source):
        source.rename(target)
        return
    for name in sorted(files_below(source), key=lambda name: name == mark):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        copy_file(source / name, target / name)
    remove_folder(source, mark)


def remove_folder(path: Path, mark: str = "") -> None:
    """Removes a folder with its content as far as possible; at an address its file `mark` first."""
    if not is_address(path):
        shutil.rmtree(path, ignore_errors=True)
        return
    if mark:
        (path / mark).unlink(missing_ok=True)
    cast(Any, path).rmtree(missing_ok=True)
