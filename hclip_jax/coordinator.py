"""JAX's coordination service in a process of its own, beside process 0.

The service keeps the messages of all processes. Inside process 0 it would end with it, and JAX ends every
other process at that moment, with a trace of C++ and before any sentence can be printed. Beside it, it stays
for as long as the others need to notice that process 0 is gone.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from hclip_jax.errors import UserError

DEAD_SECONDS = 20.0
"""Time without a sign of life after which a process is gone; one that computes gives it from a thread."""

_ORPHAN_SECONDS = DEAD_SECONDS + 4  # the others notice; not longer, as new workers would find it at the port
_LEAVE_SECONDS = 5.0  # the others read a message that is already there
_PORT_SECONDS = 40.0  # longer than the service of a training that just ended
_END, _LEAVE = b"end\n", b"leave\n"


class Coordinator:
    """The service, as process 0 sees it; has what JAX needs of its own one."""

    current: "Coordinator | None" = None
    """The one of this process; None unless it is process 0."""

    def __init__(self, address: str, num_processes: int, **seconds: int) -> None:
        """Starts the service.

        Args:
            address: HOST:PORT to bind to.
            num_processes: number of processes.
            seconds: as of JAX's service, `heartbeat_timeout` and `shutdown_timeout`.

        Raises:
            UserError: it cannot be served there.
        """
        _wait_for_port(int(address.rpartition(":")[2]))
        timeouts = [str(seconds[name]) for name in ("heartbeat_timeout", "shutdown_timeout")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, address, str(num_processes), *timeouts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Errors of the service reach every process; its log would repeat them.
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            start_new_session=True,  # signals to a terminal or a group are for process 0
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise UserError(f"process 0 cannot serve at {address}; choose another port for the processes")
        Coordinator.current = self

    def shutdown(self) -> None:
        """Ends the service; called by JAX when all processes have come to their ends."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.communicate(_END, timeout=10)
        Coordinator.current = None

    def leave(self) -> None:
        """Lets the service end after the other processes have read their messages."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it is gone
            self._process.stdin.write(_LEAVE)
            self._process.stdin.flush()


@contextlib.contextmanager
def beside_process_0() -> Iterator[None]:
    """A block in which `jax.distributed.initialize` starts the service in a process of its own."""
    from jax._src.lib import _jax  # JAX has no public way to choose where the service runs

    original = _jax.get_distributed_runtime_service

    def start(address: str, num_nodes: int, recoverable: bool = False, **seconds: int) -> Coordinator:
        del recoverable  # all processes end together
        return Coordinator(address, num_nodes, **seconds)

    _jax.get_distributed_runtime_service = start
    try:
        yield
    finally:
        _jax.get_distributed_runtime_service = original


def _wait_for_port(port: int) -> None:
    """Waits until nobody serves at a port: two services there would each get some of the processes."""
    deadline = time.monotonic() + _PORT_SECONDS
    while True:
        try:
            socket.create_connection(("localhost", port), 1).close()
        except OSError:
            return
        if time.monotonic() > deadline:
            raise UserError(
                f"another program serves at port {port} of {socket.gethostname()}, where this training's "
                f"processes are to meet; end it, or choose another port"
            )
        time.sleep(0.5)


def _serve(address: str, num_processes: int, heartbeat_timeout: int, shutdown_timeout: int) -> None:
    """Serves until process 0 says that all is done, or, where it does not, for some time after its end."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # process 0 decides
    parent = os.getppid()
    from jaxlib import _jax

    service = _jax.get_distributed_runtime_service(
        address,
        num_processes,
        heartbeat_timeout=heartbeat_timeout,
        shutdown_timeout=shutdown_timeout,
        recoverable=False,
    )
    print("serving", flush=True)
    word = b""
    # Not only the end of the pipe, which other children of process 0 may hold open.
    while not word and os.getppid() == parent:
        if select.select([sys.stdin], [], [], 0.5)[0]:
            word = sys.stdin.buffer.readline()
            break
    if word == _END:
        service.shutdown()
    else:
        time.sleep(_LEAVE_SECONDS if word == _LEAVE else _ORPHAN_SECONDS)
        os._exit(0)  # its own end would wait for processes that are gone


if __name__ == "__main__":
    _serve(sys.argv[1], *map(int, sys.argv[2:]))
