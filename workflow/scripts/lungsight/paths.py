"""Paths as people write them: what in them no program expands, and which path they probably mean.

Standard library only: it runs while the workflow is parsed.
"""

import os
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lungsight.errors import UserError

SCHEME = "s3://"  # of the address of a bucket
LONGEST_NAME = 255  # bytes, of a file or folder, on the file systems of Linux and macOS
_ADDRESS = re.compile(rf"{SCHEME}[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9](/.*)?")
_ANY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def path_option(options: Mapping[str, Any], key: str, default: str = "") -> str:
    """Return a path of `--config key=PATH`.

    Raises
    ------
    UserError
        If Snakemake read it as a number or the like, or nobody expands it.
    """
    return checked_path(key, options.get(key, default))


def checked_path(key: str, value: Any) -> str:
    """Return a path of `--config` as it is; see `path_option`."""
    if value in (None, ""):
        raise UserError(f"{key} is empty; write --config {key}=PATH")
    if not isinstance(value, str | os.PathLike):
        raise UserError(f"{key}: Snakemake reads the value as {value!r}, no path; write ./ before it: {key}=./NAME")
    if problem := unusual_path(str(value)):
        raise UserError(f"{key}: {problem}")
    return str(value)


def has_braces(path: str) -> bool:
    """Tell whether Snakemake would read a part of a path as a wildcard."""
    return "{" in path or "}" in path


def is_bucket(root: str | Path) -> bool:
    """Tell whether a cohort's root is a folder of a bucket."""
    return str(root).startswith(SCHEME)


def problem_of_bucket(address: str) -> str:
    """Say why an address names no folder of a bucket; "" if it does."""
    if not _ADDRESS.fullmatch(address):
        return f"{address!r} names no bucket; write {SCHEME}BUCKET/FOLDER, the bucket in small letters, digits, - and ."
    if {"", ".", ".."} & set(address.removeprefix(SCHEME).rstrip("/").split("/")[1:]):
        return f"{address!r}: write the folder as it is, without //, . and .. in it."
    return ""


def unusual_path(written: str) -> str:
    """Say what a path holds that nobody expands or that Snakemake would read in its own way; "" if nothing.

    A path that exists as it is written is what it says, except for braces.
    """
    exists = os.path.lexists(written) if written.strip() and "\0" not in written else False
    if not exists and re.search(r"\$\w|\$\{", written):
        return f"{written!r}: variables are not expanded here; write {os.path.expandvars(written)}"
    if has_braces(written):
        return f"{written!r} holds a brace, which Snakemake reads as a wildcard; rename the folder or file."
    if exists:
        return ""
    if _ANY_SCHEME.match(written):
        return f"{written!r} is no path; of all, only cohorts.<name>.root may be in a bucket (docs/scale.md)."
    if any(len(part.encode(errors="surrogateescape")) > LONGEST_NAME for part in written.split("/")):
        return f"{written[:40]!r}… holds a name that is longer than any file's ({LONGEST_NAME} bytes)."
    if not written.strip() or "\0" in written:
        return f"{written!r} is no path."
    if written.startswith("~"):
        return f"{written!r}: ~ is not expanded here; write {os.path.expanduser(written)}"
    if re.match(r"[A-Za-z]:[\\/]", written):
        return f"{written!r} is a path of Windows; write where it lies here, as /mnt/{written[0].lower()}/…"
    return f"{written!r}: write / between folders: {written.replace(chr(92), '/')}" if "\\" in written else ""


def _letters(name: str) -> str:
    """Write a name without its case and the way in which its accents are stored."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


@cache
def _entries(folder: Path) -> dict[str, str]:
    """Map each name in a folder, without its case, to the name as it is; an unreadable folder has none."""
    try:
        return {_letters(name): name for name in sorted(os.listdir(folder), reverse=True)}
    except OSError:
        return {}


def near_path(path: Path) -> Path | None:
    """Find the path that exists and differs from one that does not in case, storing of accents or backslashes alone."""
    found = Path(path.anchor)
    for part in Path(str(path).replace("\\", "/")).parts[len(found.parts) :]:
        name = part if (found / part).exists() else _entries(found.absolute()).get(_letters(part.strip()))
        if name is None:
            return None
        found /= name
    return found if found != path else None


def _same_letters(first: Path, second: Path) -> bool:
    return unicodedata.normalize("NFC", str(first)) == unicodedata.normalize("NFC", str(second))


def did_you_mean(path: Path) -> str:
    """Suggest a near path for one that does not exist: the end of a sentence, "; did you mean …?", or "."."""
    near = near_path(path)
    if near is None:
        return "."
    how = (
        " Its accents are stored in another way: rename it, or copy its name from there."
        if _same_letters(near, path)
        else ""
    )
    return f"; did you mean {str(near)!r}?{how}"


def did_you_mean_unnamed(path: Path) -> str:
    """As `did_you_mean`, without any name: what lies below a root may name a patient."""
    near = near_path(path)
    if near is None:
        return "."
    if _same_letters(near, path):
        how = "another way of storing accents: rename it, or copy its name from the folder"
    else:
        how = "a / instead of a backslash" if "\\" in str(path) else "capitals or spaces"
    return f"; did you mean the name there that differs in {how}?"
