"""What `hclip segment` left in photos/../out."""

import json
from collections.abc import Callable
from pathlib import Path

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
