"""Child processes of a command that a signal to the command ends too, and that it waits for."""

import signal
import subprocess
import threading
from collections.abc import Sequence
from types import FrameType
from typing import IO

from hclip_jax.io.progress import console

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))
STOPPED = {sign * number + base for number in _SIGNALS for sign, base in ((1, 128), (-1, 0))}
"""Statuses of a child that ended by such a signal, in order or immediately."""


class Children:
    """Passes the first signal on to all children, which end in order; a second one kills them.

    A context manager. What ignores a signal, as nohup does, still ignores it. Outside the main thread, where
    Python takes no signals, it does nothing.
    """

    def __init__(self) -> None:
        """Takes no signal before the context is entered."""
        self._received: int | None = None
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.RLock()  # a second signal may come while the first one is passed on
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "Children":
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def run(self, command: Sequence[str], log: IO[str]) -> int | None:
        """Runs a command, from any thread.

        Args:
            command: the program and its arguments.
            log: an open file that gets its output.

        Returns:
            Its status; None if a signal came before it started.
        """
        with self._lock:
            if self._received is not None:
                return None
            # Ctrl-C reaches the group of a terminal: in its own group, the child gets each signal once.
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )
            self._running.add(child)
        status = child.wait()
        with self._lock:
            self._running.discard(child)
        return status

    def is_asked(self) -> bool:
        """Whether a signal was received."""
        return self._received is not None

    def status(self) -> int:
        """The exit status of the command: 128 + the number of the first signal, or 0."""
        return 0 if self._received is None else 128 + self._received

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        is_first = self._received is None
        with self._lock:
            if is_first:
                self._received = number
            for child in self._running:
                child.send_signal(number if is_first else signal.SIGKILL)
        if is_first:
            name = signal.Signals(number).name
            console.print(f"{name}: the trainings save, then stop; a second signal stops them immediately")
