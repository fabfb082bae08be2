"""A failure of Orbax in a few words: it raises, logs and leaves thousands of lines."""

import contextlib
import dataclasses
import gc
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from hclip_jax.errors import printable


@dataclasses.dataclass(frozen=True)
class _WithoutClosedLoops:
    """A `sys.unraisablehook` without reports of TensorStore's threads, long after a save or a read failed."""

    hook: Callable[[Any], object]

    def __call__(self, report: Any) -> None:
        if str(report.exc_value) != "Event loop is closed":
            self.hook(report)


def mute_closed_loops() -> None:
    """Leaves out the reports of TensorStore's threads, which may come until the end of the process."""
    if not isinstance(sys.unraisablehook, _WithoutClosedLoops):
        sys.unraisablehook = _WithoutClosedLoops(sys.unraisablehook)


@contextlib.contextmanager
def without_reports() -> Iterator[None]:
    """Leaves out what Python prints about coroutines that a failure of Orbax leaves: thousands of lines."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
            gc.collect()
    finally:
        sys.unraisablehook = hook


def reason(error: Exception) -> str:
    """A few words on an exception of Orbax, which may have thousands of lines."""
    text = str(error)
    for known in ("No space left on device", "File too large", "Permission denied", "Read-only file system"):
        if known in text:
            return known
    words = " ".join(text.split()) or type(error).__name__
    return printable(words)
