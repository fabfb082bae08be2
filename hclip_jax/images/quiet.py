"""Hides Pillow's warnings, such as "Corrupt EXIF data": an image is read or refused, and says which."""

import contextlib
import re
import threading
import warnings
from collections.abc import Iterator
from typing import Any, cast

_lock = threading.Lock()
_running = 0  # blocks, in all threads
_FILTER = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Hides them in a block.

    Threads may run such blocks at the same time: `warnings.catch_warnings` would restore the filters in the
    order in which they end.
    """
    global _running
    with _lock:
        _running += 1
        if _filters()[:1] != [_FILTER]:  # behind others it would have no say
            _filters().insert(0, _FILTER)
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            while not _running and _FILTER in _filters():
                _filters().remove(_FILTER)


def _filters() -> list[Any]:
    """The list in use: other code may put another in its place."""
    return cast(list[Any], warnings.filters)
