"""The report on a labelled folder: tables for the terminal, Markdown to read, JSON for programs."""

import dataclasses

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hclip_jax.data.check.folder import ClassSummary, Report, SplitSummary
from hclip_jax.data.check.issues import IssueGroup
from hclip_jax.errors import some
from hclip_jax.images.image_io import format_size
from hclip_jax.io.json_file import format_json
from hclip_jax.io.tables import markdown_table

_MAX_TERMINAL_CLASSES = 40  # the files list all
_BAR_WIDTH = 10  # characters
_MAX_NAME_WIDTH = 32  # characters


def print_report(report: Report, console: Console) -> None:
    """Prints splits, classes and issues."""
    console.print(_split_table(report))
    console.print(_class_table(report))
    for issue in report.issues:
        colour = "red" if issue.level == "error" else "yellow"
        console.print(Text.assemble((issue.level, colour), f": {issue.message}"))
        console.print(f"    in:  {some(issue.items)}", markup=False)
        console.print(f"    fix: {issue.fix}", markup=False)
    console.print(count_line(report))


def count_line(report: Report) -> str:
    """Formats "N errors, M warnings"."""
    counts = ((level, report.count(level)) for level in ("error", "warning"))
    return ", ".join(f"{count} {level}{'s' * (count != 1)}" for level, count in counts)


def to_json(report: Report) -> str:
    """Formats splits, classes, all issues with all their files, and the number of errors and warnings.

    Sizes are [height, width] in pixels, fractions run from 0 to 1, and null means that no file could be
    decoded.
    """
    content = {
        "errors": report.count("error"),
        "warnings": report.count("warning"),
        "splits": {name: dataclasses.asdict(split) for name, split in report.splits.items()},
        "classes": [dataclasses.asdict(summary) for summary in report.classes],
        "issues": [dataclasses.asdict(issue) for issue in report.issues],
    }
    return format_json(content)


def to_markdown(report: Report, previews: list[str]) -> str:
    """Formats the content of `print_report` with all classes, and embeds the previews.

    Args:
        report: the report.
        previews: paths of preview images, relative to the Markdown file.
    """
    issues = [_markdown_issue(issue) for issue in report.issues] or ["No issues."]
    splits = [_split_row(*item) for item in report.splits.items()]
    split_table = markdown_table(_SPLIT_COLUMNS, splits, ["left", *["right"] * (len(_SPLIT_COLUMNS) - 1)])
    columns = _class_columns(report)
    alignment = ["left" if column == "class" else "right" for column in columns]
    class_table = markdown_table(columns, _class_rows(report), alignment)
    parts = [f"# {report.root.resolve().name}: {count_line(report)}", *issues]
    parts += [split_table.rstrip(), class_table.rstrip(), *(f"![{path}](<{path}>)" for path in previews)]
    return "\n\n".join(parts) + "\n"


_SPLIT_COLUMNS = ["split", "images", "smallest", "largest", "unlabelled %"]


def _split_row(name: str, split: SplitSummary) -> list[str]:
    sizes = (format_size(size) if size else "-" for size in (split.smallest, split.largest))
    unlabelled = "-" if split.unlabelled is None else f"{100 * split.unlabelled:.1f}"
    return [name, f"{split.images:,}", *sizes, unlabelled]


def _split_table(report: Report) -> Table:
    table = Table(_SPLIT_COLUMNS[0])
    for column in _SPLIT_COLUMNS[1:]:
        table.add_column(column, justify="right")
    for item in report.splits.items():
        table.add_row(*map(Text, _split_row(*item)))
    return table


def _class_columns(report: Report) -> list[str]:
    return ["id", "class", "pixels %", *(f"images {split}" for split in report.splits)]


def _class_rows(report: Report) -> list[list[str]]:
    total = sum(summary.pixels for summary in report.classes)

    def row(summary: ClassSummary) -> list[str]:
        percent = f"{100 * summary.pixels / total:.2f}" if total else "-"
        images = (f"{summary.images[split]:,}" for split in report.splits)
        return [str(summary.id), summary.name, percent, *images]

    return [row(summary) for summary in _largest_first(report)]


def _largest_first(report: Report) -> list[ClassSummary]:
    return sorted(report.classes, key=lambda summary: -summary.pixels)


def _class_table(report: Report) -> Table:
    table = Table()
    for column in _class_columns(report):
        if column == "class":
            table.add_column(column, max_width=_MAX_NAME_WIDTH, no_wrap=True, overflow="ellipsis")
        else:
            table.add_column(column, justify="right")
    table.add_column("")
    classes = _largest_first(report)
    max_pixels = max((summary.pixels for summary in classes), default=0) or 1
    for summary, row in list(zip(classes, _class_rows(report), strict=True))[:_MAX_TERMINAL_CLASSES]:
        bar = ProgressBar(total=max_pixels, completed=summary.pixels, width=_BAR_WIDTH)
        table.add_row(*map(Text, row), bar)
    if len(classes) > _MAX_TERMINAL_CLASSES:
        num_hidden = len(classes) - _MAX_TERMINAL_CLASSES
        table.caption = f"and {num_hidden:,} smaller classes (--output=DIR lists all)"
    return table


def _markdown_issue(issue: IssueGroup) -> str:
    items = " ".join(some(issue.items).split()).replace("|", r"\|")
    return f"**{issue.level}**: {issue.message}  \nin: {items}  \nfix: {issue.fix}"
