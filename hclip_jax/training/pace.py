"""The pace of a training: throughput, goodput, the time left and the memory it takes."""

import sys
import time

import jax

VOLATILE = (
    "time",
    "images_per_second",
    "seconds_per_step",
    "seconds_left",
    "memory",
    "device_memory",
)
"""Fields of metrics.jsonl that differ from run to run."""


class Throughput:
    """Images a second since the last call, and goodput, both without compilation and evaluation."""

    def __init__(self, batch_size: int):
        """Starts with the first step; goodput with this call."""
        self._batch_size, self._images = batch_size, 0
        self._start: float | None = None  # of the images that are counted
        self._last: float | None = None  # the end of the last step
        self._began, self._step_seconds, self._num_steps = time.perf_counter(), 0.0, 0
        self._evaluation_seconds = 0.0  # of the last evaluation

    def tick(self) -> None:
        """Counts a finished step; the first one after a pause only starts the timer."""
        now = time.perf_counter()
        if self._start is None or self._last is None:
            self._start = now
        else:
            self._images += self._batch_size
            self._step_seconds += now - self._last
            self._num_steps += 1
        self._last = now

    def evaluated(self, seconds: float) -> None:
        """Leaves out an evaluation of so many seconds, and everything until the next step is finished."""
        self._evaluation_seconds = seconds
        self._start, self._last, self._images = None, None, 0

    def goodput(self) -> dict[str, float]:
        """Seconds since the first step was prepared, and those of its steps, from one to the next."""
        seconds = time.perf_counter() - self._began
        return {"seconds": round(seconds, 3), "step_seconds": round(self._step_seconds, 3)}

    def line(self, steps: int, evaluations: int) -> dict[str, float | int | None]:
        """Time and memory for metrics.jsonl: the fields `VOLATILE`.

        Args:
            steps: steps that are left.
            evaluations: evaluations that are left.

        Returns:
            The time in seconds since 1970; since the last call, images a second and seconds a step, None if
            no whole step was timed; the seconds left at the pace so far, None before there is one; peaks of
            memory in bytes, None where the system does not say.
        """
        rate = self._images_per_second()
        left = self._seconds_left(steps, evaluations)
        process, device = peak_memory()
        return {
            "time": round(time.time(), 3),
            "images_per_second": rate,
            "seconds_per_step": self._batch_size / rate if rate else None,
            "seconds_left": left,
            "memory": process,
            "device_memory": device,
        }

    def _images_per_second(self) -> float | None:
        if not self._images or self._start is None:
            return None
        now = time.perf_counter()
        rate = self._images / (now - self._start)
        self._start, self._images = now, 0
        return rate

    def _seconds_left(self, steps: int, evaluations: int) -> float | None:
        if not self._num_steps:
            return None
        seconds = steps * self._step_seconds / self._num_steps + evaluations * self._evaluation_seconds
        return round(seconds, 1)


def peak_memory() -> tuple[int | None, int | None]:
    """The most bytes that this process had in memory, and that one of its devices held; None if unknown."""
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    peaks = [int(one["peak_bytes_in_use"]) for one in stats if "peak_bytes_in_use" in one]
    return _peak_of_process(), max(peaks, default=None)


def _peak_of_process() -> int | None:
    try:
        import resource  # absent from Windows
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
