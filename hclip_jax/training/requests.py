"""Requests of a process to all: to stop, because of a signal, and to save, because it is time.

Each batch carries the requests of every process, and the step returns their sums: so all processes act on a
request in the same step, one step late, as metrics are.
"""

import time

import numpy as np

from hclip_jax import processes
from hclip_jax.training.step import REQUESTS, Metrics
from hclip_jax.training.stop import StopRequest, exit_status


class Requests:
    """The requests of this process, and those that all agree on."""

    def __init__(self, stop: StopRequest, checkpoint_minutes: float, num_rows: int):
        """Starts the time until a checkpoint is due.

        Args:
            stop: notices signals.
            checkpoint_minutes: minutes without a checkpoint after which one is due; 0 = never.
            num_rows: rows of a batch that this process gives.
        """
        self._stop, self._seconds, self._num_rows = stop, 60 * checkpoint_minutes, num_rows
        self._saved_at, self._has_just_saved = time.monotonic(), False
        self._asked = dict.fromkeys(REQUESTS, False)

    def rows(self) -> dict[str, np.ndarray]:
        """The requests of this process, int32 [rows] each, for the next batch."""
        is_due = 0 < self._seconds < time.monotonic() - self._saved_at
        self._asked = {**self._stop.requests(), "save": is_due}
        return {name: np.full(self._num_rows, asked, np.int32) for name, asked in self._asked.items()}

    def agreed(self, previous: Metrics) -> tuple[int, bool]:
        """The exit status with which all stop, 0 if they go on; and whether all save.

        Args:
            previous: metrics of the step before; empty in the first.
        """
        if processes.count() == 1:
            return exit_status(**self._stop.requests()), self._asked["save"]
        asked = {name: bool(previous) and bool(previous[name] > 0) for name in REQUESTS}
        # The request that led to a checkpoint was repeated in the step before it.
        saves, self._has_just_saved = asked.pop("save") and not self._has_just_saved, False
        return exit_status(**asked), saves

    def agreed_now(self) -> int:
        """The exit status with which all stop. Every process must call it, when one was asked to stop."""
        asked = self._stop.requests()
        sums = processes.total(np.array([int(value) for value in asked.values()]))
        return exit_status(**dict(zip(asked, sums.tolist(), strict=True)))

    def saved(self) -> None:
        """Starts the time again, after a checkpoint."""
        self._saved_at, self._has_just_saved = time.monotonic(), True
