"""Work that goes on in a thread while the next image is computed."""

import collections
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

_MAX_WAITING = 1  # beside the one in work; each has an image in memory


class Background:
    """Calls a function in a thread, in the order of `put`; after an error, no more.

    Use it as a context, whose end waits for all calls; at an interruption, for the one in work only.

    Attributes:
        num_done: calls that are over, without the one that raised.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        """Starts no thread before the first `put`."""
        self.num_done = 0
        self._function, self._has_failed = function, False
        self._thread = ThreadPoolExecutor(1, "hclip-background")
        self._calls: collections.deque[Future[None]] = collections.deque()

    def put(self, *args: Any) -> None:
        """Calls the function with `args` soon; waits while `_MAX_WAITING` calls wait already.

        Raises what an earlier call raised.
        """
        self._calls.append(self._thread.submit(self._call, args))
        del args
        self.wait(_MAX_WAITING + 1)

    def wait(self, max_calls: int = 0) -> None:
        """Waits until at most `max_calls` calls are left; raises what a call raised."""
        while len(self._calls) > max_calls:
            self._calls.popleft().result()

    def _call(self, args: tuple[Any, ...]) -> None:
        if self._has_failed:
            return
        try:
            self._function(*args)
        except BaseException:
            self._has_failed = True
            raise
        self.num_done += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_interrupted = error is not None and not isinstance(error, Exception)
        try:
            if not is_interrupted:
                self.wait()  # the error of an earlier image comes before that of the block
        finally:
            self._thread.shutdown(wait=True, cancel_futures=is_interrupted)
