"""A map over several processes that keeps the order and holds a bounded number of results."""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from hclip_jax.errors import UserError
from hclip_jax.io.worker import end_with_parent

T = TypeVar("T")
R = TypeVar("R")

_MAX_WORKERS = 16  # beyond it, the disk is the limit
_PENDING_PER_WORKER = 4


def num_workers(num_items: int, items_per_worker: int = 64) -> int:
    """Processes for a number of items: one a core, but none for little work."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = min(cores, _MAX_WORKERS, num_items // items_per_worker)
    return count if count > 1 else 0


def ordered_map(function: Callable[[T], R], items: Iterable[T], workers: int) -> Generator[R, None, None]:
    """Yields `function(item)` in the order of the items.

    Args:
        function: a function that can be pickled.
        items: its arguments.
        workers: processes; 0 computes in this one.

    Raises:
        UserError: a process was killed.
    """
    if not workers:
        yield from map(function, items)
        return
    # Not forked: a fork of a process with threads may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent)
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= workers * _PENDING_PER_WORKER:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise UserError(
            "a process that reads images was killed, perhaps because memory ran out: free some and run again"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
