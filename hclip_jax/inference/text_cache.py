"""Text features on disk, keyed by everything they depend on."""

import hashlib
import io
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.io import cache
from hclip_jax.io.files import write_atomically

MAX_BYTES = 2**28
"""Limit of the folder: 150 times the features of ADE-847 in one template."""
_DIGEST_SIZE = 20


class TextCache:
    """Text features on disk, keyed by the text tower's weights, how it computes, and the prompts.

    A file has a digest of its key and content, followed by the array in NumPy's format. Above MAX_BYTES the
    files that were not used for longest are removed.
    """

    def __init__(self, tower: dict[str, Any], *settings: object) -> None:
        """Stores the constant part of the key.

        Args:
            tower: adapted weights of the text tower.
            settings: everything else that its output depends on besides the prompts; compared by `repr`.
        """
        self._tower, self._settings = tower, settings

    def get(self, prompts: dict[str, np.ndarray], encode: Callable[[], Any]) -> Any:
        """The cached features of `prompts`, or the result of `encode`, which is then cached.

        Without a cache folder, or if it is not writable, features are returned uncached. A file that is not
        exactly what was written is replaced. Features that are not finite are not cached.

        Args:
            prompts: arrays that identify the prompts: tokens and segment ids.
            encode: computes their features.
        """
        folder = cache.folder()
        if folder is None:
            return encode()
        key = _digest(self._fingerprint, prompts)
        path = folder / "text" / f"{key}.features"
        features = _read(path, key)
        if features is None:
            features = encode()
            _write(path, key, np.asarray(features))
        return features

    @cached_property
    def _fingerprint(self) -> str:
        return _digest(repr(self._settings), self._tower)


def _read(path: Path, key: str) -> np.ndarray | None:
    """The features in a file, or None if it is missing or not exactly what was written."""
    try:
        content = path.read_bytes()
        stored, array = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:]
        if stored != _checksum(key, array):  # also the file of another key
            return None
        os.utime(path)  # the time of its last use, for `cache.trim`
    except OSError:
        return None
    return np.load(io.BytesIO(array), allow_pickle=False)


def _write(path: Path, key: str, features: np.ndarray) -> None:
    if not np.isfinite(features).all():
        return
    buffer = io.BytesIO()
    np.save(buffer, features, allow_pickle=False)
    array = buffer.getvalue()
    try:
        write_atomically(path, _checksum(key, array) + array)
    except UserError:  # the folder is not writable
        return
    cache.trim(path.parent, MAX_BYTES)


def _checksum(key: str, array: bytes) -> bytes:
    return hashlib.blake2b(key.encode() + array, digest_size=_DIGEST_SIZE).digest()


def _digest(prefix: str, arrays: dict[str, Any]) -> str:
    """A digest of `prefix` and a tree of arrays, the same in every process."""
    digest = hashlib.blake2b(prefix.encode(), digest_size=_DIGEST_SIZE)
    for name in sorted(arrays):
        value = arrays[name]
        if isinstance(value, dict):
            digest.update(f"{name}:{_digest('', value)}".encode())
        else:
            array = np.ascontiguousarray(value)
            digest.update(f"{name}:{array.dtype}{array.shape}".encode())
            digest.update(array.view(np.uint8).data if array.ndim else array.tobytes())
    return digest.hexdigest()
