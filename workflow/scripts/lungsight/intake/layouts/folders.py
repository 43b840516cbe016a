"""Look through the folders of a data set, and say where they differ from its layout. Standard library only."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from lungsight.errors import UserError
from lungsight.intake.layouts.base import MOST_ABSENT

PICTURES = (".png", ".jpg", ".jpeg")
_NO_DATA = {"__MACOSX"}  # what archives of a Mac hold beside the data


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """List a folder, sorted by name, without hidden entries and links that lead out of the folder."""
    inside = folder.resolve()
    with os.scandir(folder) as entries:
        kept = [entry for entry in entries if not entry.name.startswith(".") and entry.name not in _NO_DATA]
    kept = [entry for entry in kept if not entry.is_symlink() or Path(os.path.realpath(entry)).is_relative_to(inside)]
    return sorted(kept, key=lambda entry: entry.name)


def folders_of(folder: Path) -> list[Path]:
    """List the folders in a folder, sorted by name."""
    return [Path(entry.path) for entry in entries_of(folder) if entry.is_dir()]


def pictures_of(folder: Path) -> list[str]:
    """List the names of the pictures in a folder, sorted."""
    return [entry.name for entry in entries_of(folder) if entry.name.lower().endswith(PICTURES)]


def content_of(folder: Path) -> str:
    """Name the first entries of a folder, for a message."""
    names = [entry.name for entry in entries_of(folder)]
    return f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}" if names else "nothing"


def refusal(wrong: Sequence[str], layout: str, root: Path) -> UserError:
    """Make the error that lists everything in which the files differ from the layout."""
    shown = [*wrong[:20], *([f"… and {len(wrong) - 20} more."] if len(wrong) > 20 else [])]
    return UserError("\n".join([f"{root} is not laid out as {layout}:", *(f"  {line}" for line in shown)]))


def find_base(
    root: Path,
    is_base: Callable[[Path], bool],
    layout: str,
    looked_for: str,
    what: str,
    nearest: bool = False,
    depth: int = 2,
) -> Path:
    """Find the folder that holds a data set: the root, or some folders deeper, where archives nest it.

    Parameters
    ----------
    root : Path
        Folder that the user names.
    is_base : callable
        Tells whether a folder is the one.
    layout : str
        Name of the layout, for messages.
    looked_for : str
        What a folder must hold, for the message that there is none.
    what : str
        What lies in several folders, for the message that there are several.
    nearest : bool
        Of several folders take the one nearest to the root: those below it hold copies.
    depth : int
        How many folders deeper to look.

    Raises
    ------
    UserError
        If there is no such folder, or more than one.
    """
    bases: list[Path] = []
    for places in _levels(root, depth):
        bases += [place for place in places if is_base(place)]
        if bases and nearest:
            break
    if not bases:
        missing = f"no {looked_for} in it or up to {depth} folders deeper; it holds {content_of(root)}."
        raise refusal([missing], layout, root)
    if len(bases) > 1:
        named = " and in ".join(str(place.relative_to(root)) for place in bases[:3])
        raise refusal([f"{what} lie in {named}; make one of them the root."], layout, root)
    return bases[0]


def _levels(root: Path, depth: int) -> Iterator[list[Path]]:
    """Yield the folders at each depth below the root, itself first."""
    places = [root]
    for _ in range(depth):
        yield places
        places = [inner for folder in places for inner in folders_of(folder)]
    yield places


def ancestors(base: Path, root: Path) -> Iterator[Path]:
    """Yield `base` and every folder above it, up to the root."""
    for folder in (base, *base.parents):
        yield folder
        if folder == root:
            return


def incomplete(what: str, absent: Collection[str], named: int, by: str) -> str:
    """Say that a download is incomplete, if more files are absent than a data set lacks by itself; "" if not.

    Parameters
    ----------
    what : str
        What lacks the files.
    absent : collection of str
        Names of the absent files.
    named : int
        Number of files that there should be.
    by : str
        What says so, after the number of files.
    """
    if len(absent) <= MOST_ABSENT * named:
        return ""
    first = ", ".join(sorted(absent)[:3])
    return f"{what} lacks {len(absent)} of the {named} files {by} ({first}, …): an incomplete download?"
