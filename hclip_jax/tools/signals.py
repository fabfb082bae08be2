"""Commands that SIGTERM and SIGHUP end as Ctrl-C does: temporary files and folders are removed first."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextlib.contextmanager
def orderly_end() -> Iterator[None]:
    """A block, or as a decorator a function, that a signal ends by SystemExit with the status 128 + number.

    A second signal ends the process immediately. What ignores a signal, as nohup does, still ignores it.
    Outside the main thread, where Python takes no signals, nothing changes.
    """
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL:
                previous[number] = signal.signal(number, _leave)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> None:
    del frame
    for again in _SIGNALS:
        if signal.getsignal(again) is _leave:
            signal.signal(again, signal.SIG_DFL)
    sys.exit(128 + number)
