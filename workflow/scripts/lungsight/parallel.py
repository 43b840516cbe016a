"""Work on independent items in several processes."""

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, TypeVar

from lungsight.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerKilled(UserError):
    """A process was killed from outside, or by a library that it ran."""


class ChildDied(Exception):
    """A child process ended, or did not answer in time, while it worked on a call."""


class Child:
    """One persistent child process for calls that may end their process. A new one replaces a child that died.

    The child starts at the first call. A process that was forked from one with a child starts its own.

    Parameters
    ----------
    prepare
        Called once in each new child.
    patience
        Seconds after which a call that has not returned counts as dead.
    """

    def __init__(self, prepare: Callable[[], None] | None = None, patience: float = 60.0) -> None:
        self._prepare, self._patience = prepare, patience
        self._process: multiprocessing.Process | None = None
        self._pipe: multiprocessing.connection.Connection[Any, Any] | None = None
        self._owner = 0

    def _start(self) -> None:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.Process(target=_answer, args=(ours, theirs, self._prepare), daemon=True)
        process.start()
        theirs.close()
        self._process, self._pipe, self._owner = process, ours, os.getpid()

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Return what the function returns in the child. It must not raise: an exception ends the child.

        Raises
        ------
        ChildDied
            If the child ended or does not answer.
        """
        if self._process is None or self._owner != os.getpid():
            self._start()
        assert self._pipe is not None
        try:
            self._pipe.send((function, arguments))
            if not self._pipe.poll(self._patience):
                raise ChildDied("no answer")
            return self._pipe.recv()
        except (EOFError, OSError, ChildDied) as error:
            self.end()
            raise ChildDied("the child process has ended") from error

    def end(self) -> None:
        """End the child, if this process has one."""
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.join()
            assert self._pipe is not None
            self._pipe.close()
        self._process = self._pipe = None


def _answer(
    theirs: "multiprocessing.connection.Connection[Any, Any]",
    ours: "multiprocessing.connection.Connection[Any, Any]",
    prepare: Callable[[], None] | None,
) -> None:
    """Work on the calls that come through a pipe until its other end is closed."""
    theirs.close()  # the caller's end: as long as it is open here, the caller's death would not close the pipe
    _begin(prepare)
    while True:
        try:
            function, arguments = ours.recv()
        except EOFError:
            return
        ours.send(function(*arguments))


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
