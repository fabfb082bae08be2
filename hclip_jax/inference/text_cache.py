"""Text features on disk, keyed by everything they depend on."""

import hashlib
import io
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from hclip_jax.io import cache
from hclip_jax.io.cache_entries import DIGEST_SIZE, read_entry, write_entry

MAX_BYTES = 2**28
"""Limit of the folder: 150 times the features of ADE-847 in one template."""
_KIND = "text"


class TextCache:
    """Text features on disk, keyed by the text tower's weights, how it computes, and the prompts.

    An entry (`io/cache_entries.py`) is the array in NumPy's format.
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
        if cache.folder() is None:
            return encode()
        key = _digest(self._fingerprint, prompts)
        content = read_entry(_KIND, key)
        if content is not None:
            return np.load(io.BytesIO(content), allow_pickle=False)
        features = encode()
        if np.isfinite(features).all():
            buffer = io.BytesIO()
            np.save(buffer, np.asarray(features), allow_pickle=False)
            write_entry(_KIND, key, buffer.getvalue(), MAX_BYTES)
        return features

    @cached_property
    def _fingerprint(self) -> str:
        return _digest(repr(self._settings), self._tower)


def _digest(prefix: str, arrays: dict[str, Any]) -> str:
    """A digest of `prefix` and a tree of arrays, the same in every process."""
    digest = hashlib.blake2b(prefix.encode(), digest_size=DIGEST_SIZE)
    for name in sorted(arrays):
        value = arrays[name]
        if isinstance(value, dict):
            digest.update(f"{name}:{_digest('', value)}".encode())
        else:
            array = np.ascontiguousarray(value)
            digest.update(f"{name}:{array.dtype}{array.shape}".encode())
            digest.update(array.view(np.uint8).data if array.ndim else array.tobytes())
    return digest.hexdigest()
