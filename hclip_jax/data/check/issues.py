"""What a check of a labelled folder says: each kind of trouble once, with all the files it was met in."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

Level = Literal["error", "warning"]


class IssueKind(NamedTuple):
    """A kind of trouble: training is stopped or spoiled by it (error), or may be (warning)."""

    level: Level
    what: str
    fix: str


class Issue(NamedTuple):
    """A trouble, the file it was met in, and what is particular to that file."""

    trouble: IssueKind
    path: Path
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class IssueGroup:
    """One line of a report.

    Attributes:
        level: "error" or "warning".
        where: all the files (relative to the labelled folder) or class names it concerns.
        what: was found.
        fix: one sentence.
    """

    level: Level
    where: tuple[str, ...]
    what: str
    fix: str


def group(sightings: Iterable[Issue], root: Path) -> list[IssueGroup]:
    """Makes one finding of all sightings of the same trouble, in the order they first appear in."""
    where: dict[IssueKind, list[str]] = {}
    for trouble, path, detail in sightings:
        name = path.relative_to(root).as_posix()
        where.setdefault(trouble, []).append(f"{name} ({detail})" if detail else name)
    return [IssueGroup(t.level, tuple(names), t.what, t.fix) for t, names in where.items()]


def some(items: tuple[str, ...]) -> str:
    """Joins up to three items and counts all of them, if there are more."""
    shown = ", ".join(items[:3])
    return shown if len(items) <= 3 else f"{shown}, ... ({len(items):,} in all)"
