"""Items that threads compute before they are asked for."""

import collections
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def computed_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], count: int
) -> Generator[Result, None, None]:
    """Yields `function(item)` of each item in order, with up to `count` further ones in memory or in work.

    Args:
        function: called in threads, several at a time; what it raises is raised in place of its result.
        items: taken in the thread of the caller.
        count: at least 1.
    """
    waiting: collections.deque[Future[Result]] = collections.deque()
    with ThreadPoolExecutor(count, "hclip-ahead") as threads:
        try:
            for item in items:
                waiting.append(threads.submit(function, item))
                del item
                if len(waiting) > count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
