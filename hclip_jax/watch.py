"""The threads of a process that look after the others: signs of life, messages, failures.

Messages go through the key-value store of JAX's coordination service, which needs no devices: so one worker's
failure is everyone's sentence, whatever the others wait for.
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
from collections.abc import Callable
from typing import Any, NoReturn

from hclip_jax.coordinator import DEAD_SECONDS, Coordinator
from hclip_jax.errors import UserError
from hclip_jax.joining import whole_number

DIED = 134
"""Exit status of a process that ends because another one died or hangs: restart all."""

_PREFIX = "hclip_jax"
_POLL_SECONDS = 0.5
_SOON_DEAD_SECONDS = 6.0  # the same, after a connection to another process broke


class Watch:
    """Looks after the other processes, in two threads: one may wait for an answer, the other one never does.

    Attributes:
        current: the one of this process; None for a single process.
        last_progress: when work last went on.
        notice_stop: called with the number of a signal that another process received.
    """

    current: "Watch | None" = None

    def __init__(self, index: int, count: int) -> None:
        """Prepares the watch of process `index` of `count`."""
        from jax._src import distributed  # JAX has no public form of the key-value store

        self._client: Any = distributed.global_state.client
        self.index, self.count = index, count
        self.last_progress = time.monotonic()
        self.notice_stop: Callable[[int], None] | None = None
        self._minutes = whole_number(os.environ, "HCLIP_JAX_WATCHDOG_MINUTES", 30)
        self._round, self._beats = 0, 0
        self._seen: dict[str, tuple[str, float]] = {}  # sign of life -> its value, and since when
        self._answered, self._dead_seconds = time.monotonic(), DEAD_SECONDS
        self._stopping = False
        self._ended = threading.Event()
        self._leaving = threading.Lock()
        atexit.register(self._end)  # before JAX's own, which ends the client

    def start(self) -> None:
        """Starts the threads."""
        Watch.current = self
        for target in (self._exchange, self._guard):
            threading.Thread(target=target, name="hclip-processes", daemon=True).start()

    def agree(self, fields: dict[str, str]) -> None:
        """As `processes.agree`."""
        self._round += 1
        name = f"agree/{self._round}"
        if self.index == 0:
            self._set(f"{name}/0", json.dumps(fields))
        key = f"{_PREFIX}/{name}/0"
        first = json.loads(self._client.blocking_key_value_get(key, 60_000 * self._minutes))
        for field, value in fields.items():
            if first.get(field) != value:
                raise UserError(
                    f"the {field.replace('_', ' ')} differs from that of process 0; run the same command "
                    f"with the same files and versions on every worker"
                )
        self.barrier(name)

    def barrier(self, name: str) -> None:
        """Waits until every process has come here."""
        self._client.wait_at_barrier(f"{_PREFIX}/{name}", 60_000 * self._minutes)

    def announce_stop(self, number: int) -> None:
        """Passes the number of a signal on to all others."""
        if not self._stopping:
            self._stopping = True
            with contextlib.suppress(Exception):  # another process was first
                self._set("stop", str(number))

    def fail(self, message: str, status: int) -> NoReturn:
        """Ends all processes with a sentence."""
        with contextlib.suppress(Exception):  # another process was first
            self._client.key_value_set(f"{_PREFIX}/failed", f"{status} error: {self._self()}: {message}")
        self._leave(f"error: {message}", status)

    def wait_for_reason(self) -> None:
        """Waits, after a connection broke, until a thread ends this process with the reason."""
        self._dead_seconds = _SOON_DEAD_SECONDS
        time.sleep(_SOON_DEAD_SECONDS + 4 * _POLL_SECONDS)

    def _exchange(self) -> None:
        """Gives signs of life, and reads messages."""
        while not self._ended.wait(_POLL_SECONDS):
            self._beats += 1
            try:
                self._set(f"alive/{self.index}", f"{socket.gethostname()} {self._beats}")
                entries = dict(self._client.key_value_dir_get(f"{_PREFIX}/"))
            except Exception:  # of the client: the service, beside process 0, is gone
                if not self._ended.is_set():
                    self._leave_process_0()
                return
            self._answered = time.monotonic()
            self._look(entries)

    def _guard(self) -> None:
        """Notices that the service does not answer, or that work does not go on."""
        while not self._ended.wait(_POLL_SECONDS):
            now = time.monotonic()
            if now - self._answered > DEAD_SECONDS:
                self._leave_process_0()
            if now - self.last_progress > 60 * self._minutes:
                faulthandler.dump_traceback()
                self.fail(f"no step for {self._minutes:g} minutes", DIED)

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
            elif now - self._seen.setdefault(name, ("", now))[1] > self._dead_seconds:
                host = value.partition(" ")[0] or "unknown host"
                self._leave_dead(f"process {other} ({host}) has not answered for {self._dead_seconds:.0f} s")

    def _self(self) -> str:
        return f"process {self.index} ({socket.gethostname()})"

    def _set(self, name: str, value: str) -> None:
        self._client.key_value_set(f"{_PREFIX}/{name}", value, allow_overwrite=True)

    def _end(self) -> None:
        self._ended.set()
        with contextlib.suppress(Exception):  # the service may be gone
            self._set(f"alive/{self.index}", f"{socket.gethostname()} end")

    def _leave_process_0(self) -> NoReturn:
        self._leave_dead("process 0 does not answer")

    def _leave_dead(self, message: str) -> NoReturn:
        self._leave(f"error: {message}; start the same command on every worker", DIED)

    def _leave(self, message: str, status: int) -> NoReturn:
        """Ends the process: JAX's own way out would wait for processes that may be gone."""
        self._leaving.acquire()  # one thread speaks
        print(message, file=sys.stderr, flush=True)
        sys.stdout.flush()
        if Coordinator.current is not None:
            Coordinator.current.leave()
        os._exit(status)
