"""Several processes for work that falls into independent pieces."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from lungsight.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_processes(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    processes: int,
    prepare: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """The function's result for every item, in their order; with more than one process, so many items at once.

    prepare: run once in each process that is started, before its first item; it need not have inherited what was set
    here. Raises UserError where one is killed from outside.
    """
    if processes == 1:
        yield from map(function, items)
        return
    with ProcessPoolExecutor(processes, initializer=prepare) as pool:
        try:
            yield from pool.map(function, items)
        except BrokenProcessPool as error:
            raise UserError(
                "A process was killed while it worked, most likely for lack of memory. Give the job more memory, or"
                " fewer threads in the config."
            ) from error
