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
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                inner = f"{name}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(entry.path, inner)
                else:
                    yield from _state(entry.path, inner)
    except NotADirectoryError:
        yield from _state(place, name)
    except OSError:
        return


def _state(place: str, name: str) -> Iterator[tuple[str, os.stat_result]]:
    with suppress(OSError):
        state = os.stat(place)
        if stat.S_ISREG(state.st_mode):
            yield name, state


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
        for name, state in _files(str(root / path), path)
        if name == path or not is_left_out(Path(name).relative_to(path))
    )
    digests = [
        hashlib.sha256("\n".join(f"{len(words[0])} {' '.join(words)}" for words in lines).encode()).hexdigest()[:16]
        for lines in (
            [(name, f"{size}") for name, size, _ in files],
            [(n, f"{size}", f"{time}") for n, size, time in files],
        )
    ]
    return FileStamp(*digests, newest=max((time for _, _, time in files), default=0) / 1e9)
