"""The console and progress bars of the commands; a line now and then where output is not a terminal."""

import contextlib
import threading
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

# File names are printed unchanged: rich would read "[red]" as markup and ":cat:" as an emoji.
console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.2f}/s" if task.speed else "")


SIGN_SECONDS = 30.0
"""Time between two signs of life of a task in a log file."""


class _Lines(Progress):
    """A progress without a bar: it says every `SIGN_SECONDS` how far the newest task has come.

    A task with the field `is_logged` has lines of its own.
    """

    def start(self) -> None:
        if not hasattr(self, "_ended"):
            self._ended = threading.Event()
            threading.Thread(target=self._speak, name="hclip-signs", daemon=True).start()

    def stop(self) -> None:
        if hasattr(self, "_ended"):
            self._ended.set()

    def _speak(self) -> None:
        while not self._ended.wait(SIGN_SECONDS):
            tasks = [task for task in self.tasks if not task.finished and not task.fields.get("is_logged")]
            if tasks:
                self.console.print(_sign(tasks[-1]))


def _sign(task: Task) -> str:
    """One line on a task that goes on."""
    if task.total is None:
        return f"{task.description}, for {duration(task.elapsed or 0)} so far"
    left = "" if task.time_remaining is None else f", {duration(task.time_remaining)} left"
    return f"{task.description}: {task.completed:,.0f} of {task.total:,.0f}{left}"


def duration(seconds: float) -> str:
    """A time in words: "12 s", "3 min", "2 h 5 min", "3 d 4 h"."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


@contextlib.contextmanager
def waiting(progress: Progress, description: str) -> Iterator[None]:
    """A block that takes long and cannot say how far it has come."""
    task = progress.add_task(description, total=None)
    try:
        yield
    finally:
        progress.remove_task(task)


def bar() -> Progress:
    """A progress bar with rate and remaining time; where output is not a terminal, a line now and then."""
    if not console.is_terminal:
        return _Lines(console=console, disable=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)
