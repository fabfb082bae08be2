"""Requests to end a training: SIGTERM from a scheduler, SIGINT from Ctrl-C, SIGHUP from a closed terminal."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from hclip_jax import processes
from hclip_jax.io.progress import console

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name))


class Stopped(BaseException):
    """A training ended because it was asked to; its state is saved if it has one.

    Attributes:
        status: exit status, 130 for SIGINT and 143 for the others.
    """

    def __init__(self, message: str, status: int):
        """Takes the message for the user and the exit status."""
        super().__init__(message)
        self.status = status


def exit_status(*, stop: int, interrupt: int) -> int:
    """The status for the requests of all processes: 143 if any is from the machine, 130, or 0 for none."""
    return 143 if stop else 130 if interrupt else 0


class StopRequest:
    """Notices the first signal; a second one has the effect it has without this, which ends the process.

    A signal to one of several processes is a signal to all. A context manager. Outside the main thread, where
    Python takes no signals, it does nothing.
    """

    def __init__(self) -> None:
        """Notices nothing before the context is entered."""
        self.received: int | None = None
        self._previous: dict[int, object] = {}
        self._is_before_first_step = False

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                    self._previous[number] = signal.signal(number, self._receive)
        processes.on_stop(self._notice)
        return self

    def __exit__(self, *_: object) -> None:
        processes.on_stop(None)
        self._restore()

    @contextlib.contextmanager
    def before_first_step(self) -> Iterator[None]:
        """A block that a signal leaves immediately, by `Stopped`; elsewhere it sets `received`.

        One of several processes would leave the others waiting for it: there the first step follows.
        """
        self._is_before_first_step = processes.count() == 1
        try:
            yield
        finally:
            self._is_before_first_step = False

    def is_asked(self) -> bool:
        """Whether a signal was received."""
        return self.received is not None

    def requests(self) -> dict[str, bool]:
        """The received request: `interrupt` from a person, by Ctrl-C, or `stop` from the machine."""
        is_interrupt = self.received == signal.SIGINT
        return {"stop": self.is_asked() and not is_interrupt, "interrupt": is_interrupt}

    def stopped(self, step: int | None, status: int) -> Stopped:
        """The exception for the end of a training that is saved after `step` updates; None: before any."""
        if step is None:
            message = "stopped as asked, before the first step: there is nothing to save"
        else:
            message = f"stopped as asked, and saved after step {step}; the same command resumes there"
        return Stopped(message, status)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.received = number
        self._restore()
        processes.announce_stop(number)
        if self._is_before_first_step:
            raise self.stopped(None, exit_status(**self.requests()))
        name = signal.Signals(number).name
        console.print(f"{name}: saving, then stopping; a second signal stops immediately and saves nothing")

    def _notice(self, number: int) -> None:
        """A signal to another process: one to this one, which often follows, is still its first."""
        self.received = self.received or number

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous = {}
