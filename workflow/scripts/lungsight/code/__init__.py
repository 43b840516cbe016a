"""Which code the results of a program depend on, and which libraries: docs/digest.md says what counts.

Snakemake reruns a job when a parameter changed. Each rule takes the digest of its program as one: an edit that may
change a number reruns what depends on it, any other edit reruns nothing.
"""

import gc
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from lungsight.code.library import Library, library_of
from lungsight.code.reach import Walk
from lungsight.code.statements import Code
from lungsight.code.store import Kept, Store

__all__ = ["Code", "Library", "Walk", "digest_of", "digest_of_walk", "libraries_of"]

Loads = Mapping[str, Iterable[str]]


@cache
def _code_of(root: Path) -> Code:
    return Code(library_of(root))


@cache
def _store_of(root: Path) -> Store:
    return Store(root)


def _place_of(file: Path) -> tuple[Path, str]:
    """Find the folder that a file's imports start from, and its module name there."""
    root = file.resolve().parent
    while (root / "__init__.py").is_file():
        root = root.parent
    return root, ".".join(file.resolve().relative_to(root).with_suffix("").parts)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Leave out the search for garbage among many new objects that all stay, here and in what follows.

    It takes longer than the rest: of the parsing of the workflow, a sixth.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


@cache
def _walk(root: Path, name: str, loads: tuple[tuple[str, tuple[str, ...]], ...]) -> Walk:
    with _no_garbage_collection():
        return Walk(_code_of(root), name, dict(loads))


def _kept(what: str, program: Path, loads: Loads | None, of_walk: Callable[[Walk], Kept]) -> Kept:
    """Return what follows from the walk of a program, from an earlier command if the files are those of then."""
    root, name = _place_of(program)
    named = tuple((package, tuple(names)) for package, names in sorted((loads or {}).items()))
    return _store_of(root).value(json.dumps([what, name, named]), lambda: of_walk(_walk(root, name, named)))


def digest_of(program: Path, loads: Loads | None = None) -> str:
    """Digest the code that the results of a program depend on.

    Parameters
    ----------
    program
        A file below the folder of the programs. One without `if __name__ == "__main__"` counts whole.
    loads
        Package → the modules of it that the program loads by a computed name, as `backbones.load(name)` does. Of a
        package that is not named every module counts.

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    return str(_kept("digest", program, loads, digest_of_walk))


def digest_of_walk(walk: Walk) -> str:
    """Digest what a walk reached, in an order that does not depend on the walk."""
    combined = hashlib.sha256()
    for line in walk.lines():
        combined.update(line)
    return combined.hexdigest()[:12]


def libraries_of(program: Path, loads: Loads | None = None) -> frozenset[str]:
    """Name the packages, as they are imported, from outside the project and Python that a program's results need."""
    return frozenset(_kept("libraries", program, loads, _libraries_of_walk))


def _libraries_of_walk(walk: Walk) -> list[str]:
    names = {name.partition(".")[0] for part in walk.reached.parts for name in part.outside} | {
        name.partition(".")[0] for name in walk.reached.for_effect
    }
    return sorted(names - sys.stdlib_module_names)
