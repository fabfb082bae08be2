"""What `hclip segment` left in photos/../out, also on a disk that is full."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., int]
"""The fixture `segment`."""
SUFFIXES = (".json", ".png", "_overlay.png")


def written(photos: Path) -> list[str]:
    out = photos.parent / "out"
    return sorted(path.name for path in out.iterdir()) if out.exists() else []


def names(*stems: str) -> list[str]:
    return sorted(f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES)


def rows(photos: Path, stem: str) -> list[dict]:
    return json.loads((photos.parent / f"out/{stem}.json").read_text(encoding="utf-8"))["classes"]


def fill_disk_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when the file of this name is to be put in its place."""
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if target.name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("os.replace", full)
