"""Several processes for work that falls into independent pieces."""

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
    """A process was killed from outside, or by the library it ran."""


def _begin(prepare: Callable[[], None] | None) -> None:
    """Let this worker end with the process that started it, then prepare.

    A worker that outlives a killed program would write below folders that Snakemake has removed, and what it leaves
    there would be taken for whole.
    """
    started_by = multiprocessing.parent_process()

    def watch() -> None:
        multiprocessing.connection.wait([started_by.sentinel])
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
    """The function's result for every item, in their order; with more than one process, so many items at once.

    prepare: run once in each process that is started, before its first item; it need not have inherited what was set
    here. Raises WorkerKilled where one is killed from outside.
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
