"""Worker processes that end with their parent."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading


def end_with_parent(*_: int) -> None:
    """Lets this worker process end with its parent, however that ends, and not by Ctrl-C.

    Ctrl-C reaches all processes, but the parent ends the workers. When the parent is killed, they would wait
    for work forever. The arguments are those that the starter gives, and are not used.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_exit, args=(parent.sentinel,), daemon=True).start()


def kill_workers() -> None:
    """Kills the worker processes of this process, whose work is not needed any more."""
    for worker in multiprocessing.active_children():
        worker.kill()


def _wait_and_exit(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
