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

    def __init__(self, tower: dict[str, Any], *settings: object) -> None:
        """Stores the constant part of the key.

        Args:
            tower: adapted weights of the text tower.
            settings: everything else that its output depends on besides the prompts; compared by `repr`.
        """
        self._tower, self._settings = tower, settings

    def get(self, prompts: dict[str, np.ndarray], encode: Callable[[], Any]) -> Any:
        """The cached features of `prompts`, or the result of `encode`, which is then cached.

        Without a cache folder, or if it is not writable, features are returned uncached. A file that cannot
        be read is replaced.

        Args:
            prompts: arrays that identify the prompts: tokens and segment ids.
            encode: computes their features.
        """
        folder = cache.folder()
        if folder is None:
            return encode()
        path = folder / "text" / f"{_digest(self._fingerprint, prompts)}.npy"
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):  # missing, or incomplete
            features = encode()
        try:
            with replace_atomically(path) as temporary, temporary.open("wb") as file:
                np.save(file, np.asarray(features))
        except UserError:
            pass
        return features

    @cached_property
    def _fingerprint(self) -> str:
        return _digest(repr(self._settings), self._tower)


def _digest(prefix: str, arrays: dict[str, Any]) -> str:
    """A digest of `prefix` and a tree of arrays, the same in every process."""
    digest = hashlib.blake2b(prefix.encode(), digest_size=20)
    for name in sorted(arrays):
        value = arrays[name]
        if isinstance(value, dict):
            digest.update(f"{name}:{_digest('', value)}".encode())
        else:
            array = np.ascontiguousarray(value)
            digest.update(f"{name}:{array.dtype}{array.shape}".encode())
            digest.update(array.view(np.uint8).data if array.ndim else array.tobytes())
    return digest.hexdigest()
