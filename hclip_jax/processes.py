"""Joint actions of several processes: joining, agreement, sums, stopping, failure; one speaks and writes.

A training over several machines is the same command on each of them. Processes find each other by `start`; a
single process needs nothing of this, and every function does the obvious for it.
"""

import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from hclip_jax.coordinator import Coordinator, beside_process_0
from hclip_jax.errors import UserError, printable
from hclip_jax.io.paths import is_address
from hclip_jax.io.progress import console
from hclip_jax.joining import join_arguments, whole_number
from hclip_jax.watch import DIED, Watch

_LOST = ("Gloo", "NCCL", "Connection closed by peer", "Connection reset", "Socket closed", "Barrier failed")
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
    try:
        with beside_process_0():
            jax.distributed.initialize(
                **arguments,
                initialization_timeout=2 * seconds + 60,
                shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
            )
    finally:
        timeout.cancel()
    if jax.process_count() > 1:
        Watch(jax.process_index(), jax.process_count()).start()


def count() -> int:
    """The number of processes."""
    return 1 if Watch.current is None else Watch.current.count


def index() -> int:
    """The index of this process, from 0."""
    return 0 if Watch.current is None else Watch.current.index


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
    if Watch.current is not None:
        Watch.current.barrier(name)


def agree(**fields: str) -> None:
    """Checks that all processes have the same values.

    Raises:
        UserError: this process has another one than process 0; names the field.
    """
    if Watch.current is not None:
        Watch.current.agree(fields)


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
    if Watch.current is not None:
        Watch.current.announce_stop(number)


def on_stop(notice: Callable[[int], None] | None) -> None:
    """Sets what is called, in another thread, with the number of a signal that another process received."""
    if Watch.current is not None:
        Watch.current.notice_stop = notice


def progress() -> None:
    """Says that work goes on. Without it for HCLIP_JAX_WATCHDOG_MINUTES (30), the process ends with DIED."""
    if Watch.current is not None:
        Watch.current.last_progress = time.monotonic()


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

    Exit status 2 for UserError, 130 for Ctrl-C, 134 where the connection to another process broke. For other
    exceptions 1, after the traceback.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if Watch.current is not None:
            if _is_lost_connection(error):
                Watch.current.wait_for_reason()
                Watch.current.fail(
                    "the connection to another process broke; start the same command again", DIED
                )
            if isinstance(error, UserError):
                Watch.current.fail(str(error), 2)
            if isinstance(error, KeyboardInterrupt):
                Watch.current.fail("interrupted", 130)
            traceback.print_exc()
            Watch.current.fail(f"{type(error).__name__}: {printable(str(error))}", 1)
        raise


def _is_lost_connection(error: BaseException | None) -> bool:
    """Whether a sum over processes or a barrier failed: something else happened to another process."""
    while error is not None:
        # JAX raises ValueError, RuntimeError or its own kind, at the next use of a result.
        if not isinstance(error, UserError) and any(word in str(error) for word in _LOST):
            return True
        error = error.__cause__
    return False


def _give_up(seconds: int) -> NoReturn:
    message = f"not all processes of this training came within {seconds} s"
    print(f"error: {message}; start the same command on every worker", file=sys.stderr, flush=True)
    if Coordinator.current is not None:
        Coordinator.current.leave()
    os._exit(2)
