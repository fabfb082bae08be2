"""The cache folder: compiled programs (`runtime.py`) and text features (`inference/text_cache.py`)."""

import os
from pathlib import Path

VARIABLE = "HCLIP_JAX_CACHE"
"""Environment variable with the cache folder; empty disables the cache."""


def folder() -> Path | None:
    """The folder in VARIABLE, or `hclip_jax` in the user's cache folder; None if there is neither."""
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return Path(chosen) if chosen else None
    try:
        user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # HOME is not set, and the user has no entry in the password database
        return None
    return Path(user_cache) / "hclip_jax"
