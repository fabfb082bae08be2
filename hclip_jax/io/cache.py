"""What is kept from run to run: compiled programs (see runtime.py), and text features."""

import hashlib
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.io.files import replacing

VARIABLE = "HCLIP_JAX_CACHE"
"""Environment variable that names the folder; empty = keep nothing."""


def folder() -> Path | None:
    """Where things are kept: what VARIABLE says, else `hclip_jax` in the user's folder of caches."""
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return Path(chosen) if chosen else None
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hclip_jax"


class TextFeatures:
    """Text features on disk, by what they depend on: the text tower, how it computes, and the sentences."""

    def __init__(self, tower: dict[str, Any], *how: object) -> None:
        """Takes the adapted weights of the text tower, and whatever else decides what it computes."""
        self._tower, self._how = tower, how

    def get(self, sentences: dict[str, np.ndarray], encode: Callable[[], Any]) -> Any:
        """The features of `sentences`: those kept, or what `encode` returns, which is kept then.

        A folder that cannot be written keeps nothing and stops nobody.
        """
        home = folder()
        if home is None:
            return encode()
        path = home / "text" / f"{_digest(self._fingerprint, sentences)}.npy"
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, ValueError):  # not there, or not whole
            features = encode()
        try:
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.save(file, np.asarray(features))
        except UserError:
            pass
        return features

    @cached_property
    def _fingerprint(self) -> str:
        return _digest(repr(self._how), self._tower)


def _digest(start: str, arrays: dict[str, Any]) -> str:
    """A name for `start` and a tree of arrays, the same in every process."""
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
