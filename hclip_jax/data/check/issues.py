"""Issues of a labelled folder, and the groups of equal issues that a report lists."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

Level = Literal["error", "warning"]


class IssueKind(NamedTuple):
    """A kind of issue.

    Attributes:
        level: "error" if it stops training or spoils its result, "warning" if it may.
        message: names the affected files and the reason, without a verb: "labels without an image".
        fix: one sentence.
    """

    level: Level
    message: str
    fix: str


class Issue(NamedTuple):
    """An issue of one file; `detail` is specific to that file and may be empty."""

    kind: IssueKind
    path: Path
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class IssueGroup:
    """An issue with all files or classes that have it: one entry of a report.

    Attributes:
        level: "error" or "warning".
        items: files (relative to the labelled folder) or class names.
        message: as `IssueKind.message`.
        fix: as `IssueKind.fix`.
    """

    level: Level
    items: tuple[str, ...]
    message: str
    fix: str


def group_issues(issues: Iterable[Issue], root: Path) -> list[IssueGroup]:
    """Groups issues by kind, in the order in which the kinds first occur."""
    items: dict[IssueKind, list[str]] = {}
    for kind, path, detail in issues:
        name = (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
        items.setdefault(kind, []).append(_printable(f"{name} ({detail})" if detail else name))
    return [IssueGroup(kind.level, tuple(names), kind.message, kind.fix) for kind, names in items.items()]


def _printable(name: str) -> str:
    """Escapes line ends, terminal codes and bytes that are not UTF-8, which names of files may hold."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
