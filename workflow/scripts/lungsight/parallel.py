"""Work on independent items in several processes."""

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import TypeVar

from lungsight.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerKilled(UserError):
    """A process was killed from outside, or by a library that it ran."""


def _begin(prepare: Callable[[], None] | None) -> None:
    """Make this worker end together with the process that started it, then call `prepare`.

    A worker that outlives its killed program would write into folders that Snakemake has removed. The next run would
    take these files for complete.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a worker calls this"

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    if prepare:
        prepare()


def in_processes(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    processes: int,
    prepare: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """Yield the result of a function for every item, in the order of the items.

    Parameters
    ----------
    processes
        How many items to work on at once. With one, no process is started.
    prepare
        Called once in each new process before its first item. A new process may not inherit what was set here.

    Raises
    ------
    WorkerKilled
        If a process is killed from outside.
    """
    if processes == 1:
        yield from map(function, items)
        return
    with ProcessPoolExecutor(processes, initializer=partial(_begin, prepare)) as pool:
        try:
            yield from pool.map(function, items)
        except BrokenProcessPool as error:
            raise WorkerKilled(
                "A process was killed while it worked, most likely for lack of memory. Give the job more memory, or"
                " fewer threads in the config."
            ) from error
