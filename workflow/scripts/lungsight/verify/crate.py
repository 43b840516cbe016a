"""Read a package, as one zip file or unpacked."""

import hashlib
import io
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MANIFEST, CONFIG = "manifest.json", "config.json"
ROW_DIGITS = 8
# What systems add to a folder or a zip file that passes through them.
LITTER = {"__pycache__", "__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"}
ADDED = "._"  # begins the second file that macOS may write beside each
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


class NotChecked(Exception):
    """The package cannot be checked at all: it is none, or lacks a table that the check is made of."""


class Crate:
    """The files of a package, by their name in it."""

    def __init__(self, place: Path):
        if place.is_dir():
            found = {
                path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()
            }
        elif zipfile.is_zipfile(place):
            found = _members(place)
        else:
            raise NotChecked(f"{place} is no package: neither a zip file nor a folder.")
        self.files = _without_top_folder({name: content for name, content in found.items() if not _is_litter(name)})
        absent = [name for name in (MANIFEST, CONFIG) if name not in self.files]
        if absent:
            raise NotChecked(f"{place} is no package of lungsight: it has no {' and no '.join(absent)}.")

    def json(self, name: str) -> dict[str, Any]:
        """Read a JSON object."""
        try:
            value = json.loads(self.files[name])
        except (ValueError, RecursionError) as error:
            raise NotChecked(f"{name} is damaged: {error}.") from None
        if not isinstance(value, dict):
            raise NotChecked(f"{name} is damaged: it holds no JSON object.")
        return value

    def table(self, name: str, columns: Iterable[str] = ()) -> pd.DataFrame:
        """Read a table as text. Pseudonyms may look like numbers, and numbers must keep every digit.

        Parameters
        ----------
        name
            Its name in the package.
        columns
            The columns that it must have.
        """
        if name not in self.files:
            raise NotChecked(f"{name} is missing, so the numbers that follow from it cannot be checked.")
        try:
            text = io.StringIO(self.files[name].decode("utf-8-sig"))
            table = pd.read_csv(text, sep="\t", dtype=str, keep_default_na=False, index_col=False)
        except UnicodeDecodeError as error:
            row = self.files[name][: error.start].count(b"\n")
            raise NotChecked(f"{name} cannot be read: row {row} is not UTF-8.") from None
        except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
            raise NotChecked(f"{name} cannot be read as a table: {str(error).strip()}.") from None
        if absent := [column for column in columns if column not in table]:
            raise NotChecked(f"{name} lacks the column {', '.join(absent)}.")
        return table.fillna("")  # of a row that is too short

    def names(self, start: str, end: str = "") -> list[str]:
        """List the files whose names start and end so, sorted."""
        return sorted(name for name in self.files if name.startswith(start) and name.endswith(end))


def _members(place: Path) -> dict[str, bytes]:
    """Read the files of a zip file."""
    found = {}
    try:
        with zipfile.ZipFile(place) as archive:
            for name in archive.namelist():
                if not name.endswith("/"):
                    found[name] = _member(archive, name)
    except UNREADABLE as error:
        raise NotChecked(f"{place} is damaged: {error}.") from None
    return found


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except UNREADABLE as error:
        raise NotChecked(f"{archive.filename} is damaged: {name} cannot be read: {error}.") from None


def _is_litter(name: str) -> bool:
    """Tell whether a system, not a run, wrote a file."""
    parts = name.split("/")
    return bool(LITTER & set(parts)) or parts[-1].startswith(ADDED)


def _without_top_folder(files: dict[str, bytes]) -> dict[str, bytes]:
    """Take files out of the one folder that holds them all, as in a zip file of the unpacked folder."""
    tops = {name.partition("/")[0] for name in files}
    if len(tops) == 1 and all("/" in name for name in files):
        return _without_top_folder({name.partition("/")[2]: content for name, content in files.items()})
    return files


def numbers(column: Iterable[str], table: str, name: str) -> "pd.Series[float]":
    """Read a column of numbers; an empty field is NaN.

    Parameters
    ----------
    column
        Its fields.
    table, name
        Names of the table and of the column, for the sentence if one is no number.
    """
    values: list[float] = []
    for row, text in enumerate(column, start=1):
        try:
            values.append(float(text) if text else float("nan"))
        except ValueError:
            raise NotChecked(f"{table}, row {row}, {name}: “{text}” is no number.") from None
    return pd.Series(np.array(values, dtype=float))


def digest(content: bytes) -> str:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def changed_files(crate: Crate) -> list[str]:
    """List what is not as it was packaged: files that changed, are gone or are new, and rows of prediction tables."""
    files, rows = _manifest(crate)
    problems = []
    for name, sha256 in files.items():
        if name not in crate.files:
            problems.append(f"{name}: the file is gone")
        elif digest(crate.files[name]) != sha256:
            changed = changed_rows(crate.files[name], rows.get(name, ""))
            problems += [f"{name}, {row}" for row in changed] or [f"{name}: the file is not the one that was packaged"]
    new = set(crate.files) - set(files) - {MANIFEST}
    return problems + [f"{name}: the file is new" for name in sorted(new)]


def _manifest(crate: Crate) -> tuple[dict[str, str], Mapping[str, str]]:
    """Read the manifest: file → SHA-256, and table → the digests of its rows."""
    manifest = crate.json(MANIFEST)
    files, rows = manifest.get("files"), manifest.get("rows")
    if not (
        isinstance(files, dict) and isinstance(rows, dict) and all(isinstance(text, str) for text in rows.values())
    ):
        raise NotChecked(f"{MANIFEST} is damaged: it has no files and rows.")
    described = {name: entry.get("sha256") if isinstance(entry, dict) else None for name, entry in files.items()}
    if without := [name for name, sha256 in described.items() if not isinstance(sha256, str)]:
        raise NotChecked(f"{MANIFEST} is damaged: it has no sha256 of {', '.join(without)}.")
    return {name: str(sha256) for name, sha256 in described.items()}, rows


def changed_rows(table: bytes, packaged: str) -> list[str]:
    """Name the rows of a table whose digests are not those that were packaged. Rows count from 1, below the heading.

    Rows are found by their digests, not by their places: one deleted row names no row that follows it.
    """
    if not packaged:
        return []
    before = [packaged[start : start + ROW_DIGITS] for start in range(0, len(packaged), ROW_DIGITS)]
    lines = table.splitlines()
    now = [digest(line)[:ROW_DIGITS] for line in lines]
    other, gone = _surplus(now, before), _surplus(before, now)
    state = "changed since it was packaged" if len(other) <= len(gone) else "changed or added since it was packaged"
    named = [f"row {number} ({lines[number].decode(errors='replace')}): {state}" for number in other]
    if len(before) != len(now):
        named.insert(0, f"{len(now) - 1} rows, packaged were {len(before) - 1}")
    if len(gone) > len(other):
        places = f"{'rows' if len(gone) > 1 else 'row'} {', '.join(map(str, gone))}"
        named.append(f"of the packaged table, {places}: {'changed or gone' if other else 'gone'}")
    return named or (["the rows stand in another order"] if before != now else [])


def _surplus(rows: Sequence[str], others: Sequence[str]) -> list[int]:
    """List the places of rows that are not among others, or stand there less often."""
    left, places = Counter(others), []
    for place, row in enumerate(rows):
        left[row] -= 1
        if left[row] < 0:
            places.append(place)
    return places
