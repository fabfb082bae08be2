"""The report on a labelled folder: tables for a terminal, Markdown to read, JSON for programs."""

import dataclasses
import json

from rich.console import Console
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hclip_jax.data.check.folder import ClassSummary, Report, SplitSummary
from hclip_jax.data.check.issues import IssueGroup, some
from hclip_jax.data.check.pair import by_width

_SHOWN_CLASSES = 40  # on a terminal; the files have all
_BAR = 10  # characters
_LONGEST_NAME = 32  # characters


def print_report(report: Report, console: Console) -> None:
    """Prints splits, classes and findings."""
    console.print(_split_table(report))
    console.print(_class_table(report))
    for finding in report.findings:
        colour = "red" if finding.level == "error" else "yellow"
        console.print(f"[{colour}]{finding.level}[/]: {escape(finding.what)}")
        console.print(f"    in:  {some(finding.where)}", markup=False)
        console.print(f"    fix: {finding.fix}", markup=False)
    console.print(count_line(report))


def count_line(report: Report) -> str:
    """Returns "N errors, M warnings"."""
    counts = ((level, report.count(level)) for level in ("error", "warning"))
    return ", ".join(f"{count} {level}{'s' * (count != 1)}" for level, count in counts)


def to_json(report: Report) -> str:
    """Writes splits, classes, all findings with all their files, and the number of either level.

    Sizes are [height, width], shares run from 0 to 1, and null says that nothing could be read.
    """
    content = {
        "errors": report.count("error"),
        "warnings": report.count("warning"),
        "splits": {name: dataclasses.asdict(split) for name, split in report.splits.items()},
        "classes": [dataclasses.asdict(summary) for summary in report.classes],
        "findings": [dataclasses.asdict(finding) for finding in report.findings],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_markdown(report: Report, previews: list[str]) -> str:
    """Writes what `print_report` prints, with all classes, and the previews at these relative paths."""
    findings = [_markdown_finding(finding) for finding in report.findings] or ["Nothing is wrong."]
    splits = _markdown_table(_SPLIT_COLUMNS, [_split_row(*item) for item in report.splits.items()])
    classes = _markdown_table(_class_columns(report), _class_rows(report))
    parts = [f"# {report.root.resolve().name}: {count_line(report)}", *findings, splits, classes]
    return "\n\n".join(parts + [f"![{path}](<{path}>)" for path in previews]) + "\n"


_SPLIT_COLUMNS = ["split", "pictures", "smallest", "largest", "unlabelled %"]


def _split_row(name: str, split: SplitSummary) -> list[str]:
    sizes = (by_width(size) if size else "-" for size in (split.smallest, split.largest))
    unlabelled = "-" if split.unlabelled is None else f"{100 * split.unlabelled:.1f}"
    return [name, f"{split.pictures:,}", *sizes, unlabelled]


def _split_table(report: Report) -> Table:
    table = Table(_SPLIT_COLUMNS[0])
    for column in _SPLIT_COLUMNS[1:]:
        table.add_column(column, justify="right")
    for item in report.splits.items():
        table.add_row(*map(Text, _split_row(*item)))
    return table


def _class_columns(report: Report) -> list[str]:
    return ["id", "class", "pixels %", *(f"pictures {split}" for split in report.splits)]


def _class_rows(report: Report) -> list[list[str]]:
    total = sum(summary.pixels for summary in report.classes)

    def row(summary: ClassSummary) -> list[str]:
        share = f"{100 * summary.pixels / total:.2f}" if total else "-"
        pictures = (f"{summary.pictures[split]:,}" for split in report.splits)
        return [str(summary.id), summary.name, share, *pictures]

    return [row(summary) for summary in _largest_first(report)]


def _largest_first(report: Report) -> list[ClassSummary]:
    return sorted(report.classes, key=lambda summary: -summary.pixels)


def _class_table(report: Report) -> Table:
    table = Table()
    for column in _class_columns(report):
        if column == "class":
            table.add_column(column, max_width=_LONGEST_NAME, no_wrap=True, overflow="ellipsis")
        else:
            table.add_column(column, justify="right")
    table.add_column("")
    classes = _largest_first(report)
    peak = max((summary.pixels for summary in classes), default=0) or 1
    for summary, row in list(zip(classes, _class_rows(report), strict=True))[:_SHOWN_CLASSES]:
        bar = ProgressBar(total=peak, completed=summary.pixels, width=_BAR)
        table.add_row(*map(Text, row), bar)
    if len(classes) > _SHOWN_CLASSES:
        table.caption = f"and {len(classes) - _SHOWN_CLASSES:,} smaller classes (--output=DIR writes all)"
    return table


def _markdown_finding(finding: IssueGroup) -> str:
    return f"**{finding.level}**: {finding.what}  \nin: {_cell(some(finding.where))}  \nfix: {finding.fix}"


def _markdown_table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
