"""Text features on disk, keyed by everything they depend on."""

import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.io import cache
from hclip_jax.io.files import replace_atomically


class TextCache:
    """Text features on disk, keyed by the text tower's weights, how it computes, and the prompts."""

    def __init__(self, tower: dict[str, Any], *how: object) -> None:
        """Takes the adapted weights of the text tower, and everything else that its output depends on."""
        self._tower, self._how = tower, how

    def get(self, prompts: dict[str, np.ndarray], encode: Callable[[], Any]) -> Any:
        """The features of `prompts`: cached ones, or the result of `encode`, which is then cached.

        If the cache folder is not writable, features are returned uncached.
        """
        folder = cache.folder()
        if folder is None:
            return encode()
        path = folder / "text" / f"{_digest(self._fingerprint, prompts)}.npy"
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, ValueError):  # missing, or incomplete
            features = encode()
        try:
            with replace_atomically(path) as temporary, temporary.open("wb") as file:
                np.save(file, np.asarray(features))
        except UserError:
            pass
        return features

    @cached_property
    def _fingerprint(self) -> str:
        return _digest(repr(self._how), self._tower)


def _digest(start: str, arrays: dict[str, Any]) -> str:
    """A digest of `start` and a tree of arrays, the same in every process."""
    digest = hashlib.blake2b(start.encode(), digest_size=20)
    for name in sorted(arrays):
        value = arrays[name]
        if isinstance(value, dict):
            digest.update(f"{name}:{_digest('', value)}".encode())
        else:
            array = np.ascontiguousarray(value)
            digest.update(f"{name}:{array.dtype}{array.shape}".encode())
            digest.update(array.view(np.uint8).data if array.ndim else array.tobytes())
    return digest.hexdigest()
