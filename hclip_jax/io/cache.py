"""The cache folder: compiled programs (`program_cache.py`) and other entries (`cache_entries.py`).

The latter are text features (`inference/text_cache.py`), programs before compilation
(`inference/exported.py`) and shapes of parameters (`weights/checkpoint.py`).
"""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from hclip_jax.io.paths import changed_at, files_below, is_address, local_path, size_of

VARIABLE = "HCLIP_JAX_CACHE"
"""Environment variable with the cache folder; empty disables the cache."""


def folder() -> Path | None:
    """The folder in VARIABLE, or `hclip_jax` in the user's cache folder; None if there is neither.

    Raises:
        UserError: VARIABLE is an address.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return local_path(chosen) if chosen else None
    try:
        user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # HOME is not set, and the user has no entry in the password database
        return None
    return Path(user_cache) / "hclip_jax"


class CacheFile(NamedTuple):
    """A file in a cache: the time of its last use, which the first field sorts by, its size and path."""

    used_ns: int
    size: int
    path: Path


def files(directory: Path) -> list[CacheFile]:
    """The files below a folder, those that were not used for longest first; none if it cannot be read."""
    if is_address(directory):
        paths = [directory / name for name in files_below(directory)] if directory.exists() else []
        return sorted(CacheFile(changed_at(path), size_of(path), path) for path in paths)
    found = []
    for path in directory.rglob("*"):
        with contextlib.suppress(OSError):  # another process removed it
            stat = path.stat()
            if path.is_file():
                # Not only the access time, which many systems do not keep.
                found.append(CacheFile(max(stat.st_atime_ns, stat.st_mtime_ns), stat.st_size, path))
    return sorted(found)


def trim(directory: Path, max_bytes: int) -> None:
    """Removes files, those that were not used for longest first, until `max_bytes` remain."""
    listed = files(directory)
    total = sum(file.size for file in listed)
    for file in listed:
        if total <= max_bytes:
            return
        with contextlib.suppress(OSError):
            file.path.unlink()
        total -= file.size
