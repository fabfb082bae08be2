"""The folder of compiled programs, which JAX fills: prepared before JAX uses it.

JAX neither writes entries atomically nor replaces broken ones: after a kill or a power cut, each later
process would read a cut entry, warn and compile again. JAX's own limit, `jax_compilation_cache_max_size`, is
not used: it needs another package, does not count XLA's own caches on GPUs, and in jax 0.10 each write fails
after the first entry from before the limit, and for users who are not in the password database.
"""

import contextlib
import zlib
from pathlib import Path
from typing import Any

from hclip_jax.io import cache
from hclip_jax.io.paths import is_address

MAX_BYTES = 2**30
"""Limit of the folder. A program takes some hundred kB to some MB."""
_ENTRY, _ACCESS_TIME = "-cache", "-atime"  # JAX's suffixes
_CHECKED = ".checked"  # its time is that of the last check
_ZSTD = b"\x28\xb5\x2f\xfd"


def prepare(folder: Path) -> bool:
    """Creates the folder, removes broken entries, and the oldest entries above MAX_BYTES.

    Only entries that changed since the last check are read. At an address there are no broken ones, since an
    object store shows an object when it is whole.

    Returns:
        Whether the folder can be used: a folder that cannot be written would have a warning of JAX for each
        program.
    """
    if is_address(folder):
        with contextlib.suppress(Exception):  # JAX warns of what it cannot read or write
            cache.trim(folder, MAX_BYTES)
        return True
    stamp = folder / _CHECKED
    try:
        folder.mkdir(parents=True, exist_ok=True)
        last = stamp.stat().st_mtime_ns if stamp.exists() else 0
        stamp.touch()
    except OSError:
        return False
    for path in folder.glob(f"*{_ENTRY}"):
        with contextlib.suppress(OSError):  # another process removed it
            if path.stat().st_mtime_ns >= last and not _is_whole(path.read_bytes()):
                path.unlink()
                path.with_name(path.name.removesuffix(_ENTRY) + _ACCESS_TIME).unlink(missing_ok=True)
    cache.trim(folder, MAX_BYTES)
    return True


def _is_whole(content: bytes) -> bool:
    """Whether an entry can be decompressed, which a cut one cannot."""
    try:
        if content.startswith(_ZSTD):
            _zstd().decompress(content)
        else:
            zlib.decompress(content)
    except Exception:  # the two libraries have their own errors
        return False
    return True


def _zstd() -> Any:
    """The library that JAX compresses with, if there is one; without it JAX cannot read the entry either."""
    try:
        from compression import zstd  # Python 3.14  # pyrefly: ignore[missing-import]

        return zstd
    except ImportError:
        import zstandard  # pyrefly: ignore[missing-import]

        return zstandard.ZstdDecompressor()
