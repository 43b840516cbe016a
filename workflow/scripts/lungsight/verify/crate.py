"""Read a package, as one zip file or unpacked."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

MANIFEST, CONFIG = "manifest.json", "config.json"
ROW_DIGITS = 8


class NotChecked(Exception):
    """The package cannot be checked at all: it is none, or lacks a table that the check is made of."""


class Crate:
    """The files of a package, by their name in it."""

    def __init__(self, place: Path):
        if place.is_dir():
            found = (path for path in place.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
            self.files = {path.relative_to(place).as_posix(): path.read_bytes() for path in found}
        elif zipfile.is_zipfile(place):
            with zipfile.ZipFile(place) as archive:
                self.files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
        else:
            raise NotChecked(f"{place} is no package: neither a zip file nor a folder.")
        absent = [name for name in (MANIFEST, CONFIG) if name not in self.files]
        if absent:
            raise NotChecked(f"{place} is no package of lungsight: it has no {' and no '.join(absent)}.")

    def json(self, name: str) -> Any:
        """Read a JSON file."""
        try:
            return json.loads(self.files[name])
        except ValueError as error:
            raise NotChecked(f"{name} is damaged: {error}.") from None

    def table(self, name: str) -> pd.DataFrame:
        """Read a table as text. Pseudonyms may look like numbers, and numbers must keep every digit."""
        if name not in self.files:
            raise NotChecked(f"{name} is missing, so the numbers that follow from it cannot be checked.")
        return pd.read_csv(io.BytesIO(self.files[name]), sep="\t", dtype=str, keep_default_na=False)

    def names(self, start: str, end: str = "") -> list[str]:
        """List the files whose names start and end so, sorted."""
        return sorted(name for name in self.files if name.startswith(start) and name.endswith(end))


def numbers(column: Iterable[str]) -> "pd.Series[float]":
    """Read a column of numbers; an empty field is NaN."""
    return pd.Series([float(text) if text else float("nan") for text in column], dtype=float)


def digest(content: bytes) -> str:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def changed_files(crate: Crate) -> list[str]:
    """List what is not as it was packaged: files that changed, are gone or are new, and rows of prediction tables."""
    manifest = crate.json(MANIFEST)
    problems = []
    for name, described in manifest["files"].items():
        if name not in crate.files:
            problems.append(f"{name}: the file is gone")
        elif digest(crate.files[name]) != described["sha256"]:
            rows = changed_rows(crate.files[name], manifest["rows"].get(name, ""))
            problems += [f"{name}, {row}" for row in rows] or [f"{name}: the file is not the one that was packaged"]
    new = set(crate.files) - set(manifest["files"]) - {MANIFEST}
    return problems + [f"{name}: the file is new" for name in sorted(new)]


def changed_rows(table: bytes, packaged: str) -> list[str]:
    """Name the rows of a table whose digests are not those that were packaged. Rows count from 1, below the heading."""
    if not packaged:
        return []
    before = [packaged[start : start + ROW_DIGITS] for start in range(0, len(packaged), ROW_DIGITS)]
    lines = table.splitlines()
    now = [digest(line)[:ROW_DIGITS] for line in lines]
    changed = [number for number, (old, new) in enumerate(zip(before, now, strict=False)) if old != new]
    named = [
        f"row {number} ({lines[number].decode(errors='replace')}): changed since it was packaged" for number in changed
    ]
    if len(before) != len(now):
        named.append(f"{len(now) - 1} rows, packaged were {len(before) - 1}")
    return named
