"""The state of the user's files, as a short stamp of names, sizes and times.

They are no inputs of rules: names of scans may name patients, and Snakemake keeps the names of inputs in its own files.
Standard library only: it runs while the workflow is parsed.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileStamp:
    """The state of files.

    Attributes
    ----------
    contents : str
        Digest of names and sizes.
    state : str
        Digest of names, sizes and times of the last change.
    newest : float
        The latest of these times, in seconds since the epoch; 0 where there is no file.
    """

    contents: str
    state: str
    newest: float


def _files(place: str, name: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield name and state of a file, or of every file of a folder and its subfolders, in any order.

    As intake reads them: links to folders are followed at the place itself, not below it. What cannot be looked at, a
    link to itself for instance, counts as absent.
    """
    with suppress(OSError):
        state = os.stat(place)
        if stat.S_ISREG(state.st_mode):
            yield name, state
        elif stat.S_ISDIR(state.st_mode):
            yield from _files_of_folder(place, name)


def _files_of_folder(place: str, name: str) -> Iterator[tuple[str, os.stat_result]]:
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            if not (entry.is_symlink() and os.path.isdir(entry.path)):
                yield from _files(entry.path, f"{name}/{entry.name}")


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def stamp_of_files(
    root: Path, paths: Iterable[str], is_left_out: Callable[[Path], bool] = lambda path: False
) -> FileStamp:
    """Stamp files and folders by what can be seen without opening them.

    Parameters
    ----------
    root : Path
        It may move: only names below it count.
    paths : iterable of str
        Relative to the root, in any order. One that does not exist counts as absent.
    is_left_out : callable
        Tells by its name that nobody reads a file: what file systems leave in folders.
    """
    files = sorted(
        (name, state.st_size, state.st_mtime_ns)
        for path in set(paths)
        for name, state in _files(os.path.join(root, path), path)
        if name == path or not is_left_out(Path(name[len(path) + 1 :]))
    )
    contents = _digest(f"{len(name)} {name} {size}" for name, size, _ in files)
    state = _digest(f"{len(name)} {name} {size} {time}" for name, size, time in files)
    return FileStamp(contents, state, newest=max((time for _, _, time in files), default=0) / 1e9)
