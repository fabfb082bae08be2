"""Entries of the cache folder: bytes with a digest of their key and content.

An entry that is damaged, or the file of another key, counts as missing and is replaced by the next one.
"""

import hashlib
import os
from pathlib import Path

from hclip_jax.errors import UserError
from hclip_jax.io import cache
from hclip_jax.io.files import write_atomically

DIGEST_SIZE = 20
"""Bytes of a digest."""


def digest(*parts: object) -> str:
    """A key: the digest of the `repr` of what an entry depends on."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=DIGEST_SIZE).hexdigest()


def read_entry(kind: str, key: str) -> bytes | None:
    """The content that was written; None without a cache folder, or if there is no such whole entry.

    Args:
        kind: the folder in the cache folder.
        key: a digest of everything the content depends on.
    """
    folder = cache.folder()
    if folder is None:
        return None
    path = _path(folder, kind, key)
    try:
        stored = path.read_bytes()
        found, content = stored[:DIGEST_SIZE], stored[DIGEST_SIZE:]
        if found != _checksum(key, content):
            return None
        os.utime(path)  # the time of its last use, for `cache.trim`
    except OSError:
        return None
    return content


def write_entry(kind: str, key: str, content: bytes, max_bytes: int) -> None:
    """Writes an entry; nothing without a cache folder that is writable.

    Args:
        kind: as in `read_entry`.
        key: as in `read_entry`.
        content: the bytes.
        max_bytes: limit of the folder; above it, entries that were not used for longest are removed.
    """
    folder = cache.folder()
    if folder is None:
        return
    path = _path(folder, kind, key)
    try:
        write_atomically(path, _checksum(key, content) + content)
    except UserError:  # the folder is not writable
        return
    cache.trim(path.parent, max_bytes)


def _path(folder: Path, kind: str, key: str) -> Path:
    return folder / kind / f"{key}.entry"


def _checksum(key: str, content: bytes) -> bytes:
    return hashlib.blake2b(key.encode() + content, digest_size=DIGEST_SIZE).digest()
