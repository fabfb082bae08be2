"""The folder for what is kept from run to run: compiled programs (runtime.py) and text features."""

import os
from pathlib import Path

VARIABLE = "HCLIP_JAX_CACHE"
"""Environment variable with the folder; empty = nothing is kept."""


def folder() -> Path | None:
    """The folder in VARIABLE, else `hclip_jax` in the user's cache folder; None if there is no such place."""
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return Path(chosen) if chosen else None
    try:
        user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # no HOME, and no entry for this user
        return None
    return Path(user) / "hclip_jax"
