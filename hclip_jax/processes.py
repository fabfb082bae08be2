"""Joint actions of several processes: joining, agreement, sums, stopping, failure; one speaks and writes.

A training over several machines is the same command on each of them. Processes find each other by `start`; a
single process needs nothing of this, and every function does the obvious for it.

Messages go through the key-value store of JAX's coordination service, which needs no devices: a thread of
each process polls it, so that one worker's failure is everyone's sentence, whatever the others wait for.
"""

import atexit
import contextlib
import faulthandler
import json
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from hclip_jax.errors import UserError, printable
from hclip_jax.io.paths import is_address
from hclip_jax.io.progress import console
from hclip_jax.joining import join_arguments, whole_number

DIED = 134
"""Exit status of a process that ends because another one died or hangs: restart all."""

_PREFIX = "hclip_jax"
_POLL_SECONDS = 0.5
_DEAD_SECONDS = 20.0  # without a sign of life; a process that computes still gives one, from its thread
_SHUTDOWN_SECONDS = 60


def start() -> None:
    """Joins the processes of this training, if the environment describes several.

    The first that holds: JAX_COORDINATOR_ADDRESS with JAX_NUM_PROCESSES and JAX_PROCESS_ID (in an indexed job
    of Kubernetes JOB_COMPLETION_INDEX); a step of Slurm with several tasks; a TPU host. Call it before JAX
    opens a backend.

    If not all processes come in HCLIP_JAX_JOIN_SECONDS (300), this one ends with a sentence and status 2.

    Raises:
        UserError: the environment is incomplete.
    """
    arguments = join_arguments(os.environ)
    if arguments is None:
        return
    import jax

    seconds = whole_number(os.environ, "HCLIP_JAX_JOIN_SECONDS", 300)
    # Its handler would swallow SIGTERM; training/stop.py takes signals.
    jax.config.update("jax_enable_preemption_service", False)
    # JAX's own timeout aborts the process with a C++ trace.
    timeout = threading.Timer(seconds, _give_up, (seconds,))
    timeout.daemon = True
    timeout.start()
    jax.distributed.initialize(
        **arguments, initialization_timeout=2 * seconds + 60, shutdown_timeout_seconds=_SHUTDOWN_SECONDS
    )
    timeout.cancel()
    if jax.process_count() > 1:
        _Watch.current = _Watch(jax.process_index(), jax.process_count())
        _Watch.current.start()


def count() -> int:
    """The number of processes."""
    return 1 if _Watch.current is None else _Watch.current.count


def index() -> int:
    """The index of this process, from 0."""
    return 0 if _Watch.current is None else _Watch.current.index


def is_primary() -> bool:
    """Whether this process writes the files that all share, and speaks to the user."""
    return index() == 0


def log_to(workdir: Path) -> None:
    """Lets the primary speak; the console of every other process is WORKDIR/logs/process_N.log.

    At an address, where nothing can be appended, each process speaks for itself, to the log of its host.
    """
    if not is_primary() and not is_address(workdir):
        path = workdir / "logs" / f"process_{index()}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        console.file = path.open("a", buffering=1)


def barrier(name: str) -> None:
    """Waits until every process has come here."""
    if _Watch.current is not None:
        _Watch.current.barrier(name)


def agree(**fields: str) -> None:
    """Checks that all processes have the same values.

    Raises:
        UserError: this process has another one than process 0; names the field.
    """
    if _Watch.current is not None:
        _Watch.current.agree(fields)


def total(values: np.ndarray) -> np.ndarray:
    """The sum over processes of int64 values of any shape. Every process must call it."""
    if count() == 1:
        return values
    from jax.experimental import multihost_utils

    # As two halves: without x64, JAX would cut int64 to int32.
    halves = np.ascontiguousarray(values, np.int64).view(np.uint32)
    return np.ascontiguousarray(multihost_utils.process_allgather(halves)).view(np.int64).sum(0)


def gather(content: bytes) -> list[bytes]:
    """The bytes of every process, in the order of their indices. Every process must call it."""
    if count() == 1:
        return [content]
    from jax.experimental import multihost_utils

    lengths = np.zeros(count(), np.int64)
    lengths[index()] = len(content)
    lengths = total(lengths)
    padded = np.zeros(lengths.max(), np.uint8)
    padded[: len(content)] = np.frombuffer(content, np.uint8)
    rows = np.asarray(multihost_utils.process_allgather(padded))
    return [row[:length].tobytes() for row, length in zip(rows, lengths, strict=True)]


def announce_stop(number: int) -> None:
    """Passes the number of a signal that this process received on to all others."""
    if _Watch.current is not None:
        _Watch.current.announce_stop(number)


def on_stop(notice: Callable[[int], None] | None) -> None:
    """Sets what is called, in another thread, with the number of a signal that another process received."""
    if _Watch.current is not None:
        _Watch.current.notice_stop = notice


def progress() -> None:
    """Says that work goes on. Without it for HCLIP_JAX_WATCHDOG_MINUTES (30), the process ends with DIED."""
    if _Watch.current is not None:
        _Watch.current.last_progress = time.monotonic()


@contextlib.contextmanager
def joined(workdir: Path) -> Iterator[None]:
    """A block that runs in all processes of `start`; the primary speaks, the others to WORKDIR/logs.

    Raises:
        UserError: as `start`.
    """
    start()
    with failing_together():
        log_to(workdir)
        yield


@contextlib.contextmanager
def failing_together() -> Iterator[None]:
    """A block whose failure in one process ends all, with its sentence; a single process only raises.

    Exit status 2 for UserError, 130 for Ctrl-C. For other exceptions 1, after the traceback.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if _Watch.current is not None:
            if isinstance(error, UserError):
                _Watch.current.fail(str(error), 2)
            if isinstance(error, KeyboardInterrupt):
                _Watch.current.fail("interrupted", 130)
            traceback.print_exc()
            _Watch.current.fail(f"{type(error).__name__}: {printable(str(error))}", 1)
        raise


def _give_up(seconds: int) -> NoReturn:
    message = f"not all processes of this training came within {seconds} s"
    print(f"error: {message}; start the same command on every worker", file=sys.stderr, flush=True)
    os._exit(2)


class _Watch(threading.Thread):
    """The thread of a process that looks after the others.

    Attributes:
        current: the thread of this process; None for a single process.
    """

    current: "_Watch | None" = None

    def __init__(self, index: int, count: int) -> None:
        super().__init__(name="hclip-processes", daemon=True)
        from jax._src import distributed  # JAX has no public form of the key-value store

        self._client: Any = distributed.global_state.client
        self.index, self.count = index, count
        self.last_progress = time.monotonic()
        self.notice_stop: Callable[[int], None] | None = None
        self._minutes = whole_number(os.environ, "HCLIP_JAX_WATCHDOG_MINUTES", 30)
        self._round, self._beats = 0, 0
        self._seen: dict[str, tuple[str, float]] = {}  # sign of life -> its value, and since when
        self._stopping = False
        self._ended = threading.Event()
        atexit.register(self._end)  # before JAX's own, which ends the client

    def run(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            self._beats += 1
            try:
                self._set(f"alive/{self.index}", f"{socket.gethostname()} {self._beats}")
                entries = dict(self._client.key_value_dir_get(f"{_PREFIX}/"))
            except Exception:  # of the client: the service, in process 0, is gone
                if not self._ended.is_set():
                    self._leave("process 0 does not answer; start the same command on every worker", DIED)
                return
            self._look(entries)

    def _look(self, entries: dict[str, str]) -> None:
        if failure := entries.get(f"{_PREFIX}/failed"):
            status, _, message = failure.partition(" ")
            self._leave(message, int(status))
        if (number := entries.get(f"{_PREFIX}/stop")) and self.notice_stop is not None:
            self.notice_stop(int(number))
        now = time.monotonic()
        for other in range(self.count):
            name = f"{_PREFIX}/alive/{other}"
            value = entries.get(name, "")
            if self._seen.get(name, ("", 0.0))[0] != value or value.endswith(" end"):
                self._seen[name] = value, now
            elif now - self._seen.setdefault(name, ("", now))[1] > _DEAD_SECONDS:
                host = value.partition(" ")[0] or "unknown host"
                self._leave(
                    f"process {other} ({host}) has not answered for {_DEAD_SECONDS:.0f} s; start the same "
                    f"command on every worker",
                    DIED,
                )
        if now - self.last_progress > 60 * self._minutes:
            faulthandler.dump_traceback()
            self.fail(f"no step for {self._minutes:g} minutes", DIED)

    def agree(self, fields: dict[str, str]) -> None:
        self._round += 1
        name = f"agree/{self._round}"
        if self.index == 0:
            self._set(f"{name}/0", json.dumps(fields))
        key = f"{_PREFIX}/{name}/0"
        first = json.loads(self._client.blocking_key_value_get(key, 60_000 * self._minutes))
        for field, value in fields.items():
            if first.get(field) != value:
                raise UserError(
                    f"the {field} differs from that of process 0; run the same command with the same files "
                    f"and versions on every worker"
                )
        self.barrier(name)

    def barrier(self, name: str) -> None:
        self._client.wait_at_barrier(f"{_PREFIX}/{name}", 60_000 * self._minutes)

    def announce_stop(self, number: int) -> None:
        if not self._stopping:
            self._stopping = True
            with contextlib.suppress(Exception):  # another process was first
                self._set("stop", str(number))

    def fail(self, message: str, status: int) -> NoReturn:
        with contextlib.suppress(Exception):  # another process was first
            self._client.key_value_set(f"{_PREFIX}/failed", f"{status} error: {self._self()}: {message}")
        self._leave(f"error: {message}", status)

    def _self(self) -> str:
        return f"process {self.index} ({socket.gethostname()})"

    def _set(self, name: str, value: str) -> None:
        self._client.key_value_set(f"{_PREFIX}/{name}", value, allow_overwrite=True)

    def _end(self) -> None:
        self._ended.set()
        with contextlib.suppress(Exception):  # the service may be gone
            self._set(f"alive/{self.index}", f"{socket.gethostname()} end")

    def _leave(self, message: str, status: int) -> NoReturn:
        """Ends the process: JAX's own way out would wait for processes that may be gone."""
        print(message, file=sys.stderr, flush=True)
        sys.stdout.flush()
        if self.index == 0:
            time.sleep(4 * _POLL_SECONDS)  # it serves the others until they know too
        os._exit(status)
