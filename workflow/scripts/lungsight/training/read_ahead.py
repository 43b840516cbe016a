"""Read from a disk while a network computes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

READERS = 4  # they wait for the disk, which answers several requests at once
AHEAD = 16  # items that are read and not yet taken, at most: what they hold is all the memory that this takes

Item = TypeVar("Item")
Found = TypeVar("Found")


def read_ahead(read: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
    """Yield read(item) of every item, in order; threads read the next ones meanwhile.

    An exception of `read` is raised where its item is due. `items` are taken a little ahead too.
    """
    waiting: deque[Future[Found]] = deque()
    left = iter(items)
    with ThreadPoolExecutor(READERS) as readers:
        try:
            waiting.extend(readers.submit(read, item) for item in islice(left, AHEAD))
            while waiting:
                found = waiting.popleft().result()
                waiting.extend(readers.submit(read, item) for item in islice(left, 1))
                yield found
        finally:
            for future in waiting:
                future.cancel()
