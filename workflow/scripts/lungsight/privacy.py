"""Pseudonyms for patients and cases, and messages without names: what may leave `results/<run>.private/`."""

import hashlib
import hmac
import os
import re
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from lungsight.errors import UserError

KEY_BYTES = 32
PSEUDONYM_LENGTH = 16  # hexadecimal digits: 64 bits, so ten million cases collide with a chance of 3 in a million


def make_private_folder(path: Path) -> Path:
    """Make a folder that its owner alone may enter (mode 700)."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chmod(path, 0o700)
    return path


def pseudonym(key: bytes, *parts: str) -> str:
    """Return a pseudonym: a keyed hash (HMAC-SHA256, shortened) that is stable under one key and safe as a file name.

    Each part is hashed with its length, so that ("a", "bc") and ("ab", "c") differ.
    """
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:PSEUDONYM_LENGTH]


def read_key(path: Path) -> bytes:
    """Read the key of a run's pseudonyms.

    Raises
    ------
    UserError
        If the file does not hold a whole key: pseudonyms made with a shorter one could be computed by anyone.
    """
    digits = Path(path).read_text(encoding="ascii", errors="replace").strip()
    if not re.fullmatch(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", digits):
        raise UserError(
            f"{path} does not hold the key of the pseudonyms ({2 * KEY_BYTES} hexadecimal digits): it is damaged. Put"
            " back your copy of it. Without one, delete the results of this run, its private folder included: a new"
            " key gives every case and patient another pseudonym."
        )
    return bytes.fromhex(digits)


def key_of(path: Path) -> bytes:
    """Read the key of a run's pseudonyms; draw 256 random bits and write them first where there is none.

    With the key, pseudonyms can be led back to names: the file has mode 600, its folder 700. No rule makes it, because
    Snakemake deletes what rules make. If several jobs ask at once, all get the key of the first.
    """
    path = Path(path)
    if not path.exists():
        make_private_folder(path.parent)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as folder:
            temporary = Path(folder) / path.name
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_bytes(KEY_BYTES).hex() + "\n")
            with suppress(FileExistsError):
                os.link(temporary, path)  # unlike a rename, it never replaces the key of another job
    return read_key(path)


def protect_key(path: Path) -> str:
    """Take from other users of the machine the right to read a key. Return what was wrong; "" where nothing was."""
    modes = {place: place.stat().st_mode & 0o777 for place in (path.parent, path)}
    opened = [f"{place} (mode {mode:o})" for place, mode in modes.items() if mode & 0o077]
    os.chmod(path.parent, 0o700)
    os.chmod(path, 0o600)
    if not opened:
        return ""
    return f"Others could read {' and '.join(opened)}, which lead from pseudonyms to people. They no longer can."


# A path is anything in quotes that has a slash in it. Without quotes it has two steps or more, and may be relative. A
# step may contain spaces if another step follows, or if it ends in a file's extension.
_STEP = r"""[^\s/'":,;()<>]+"""
_QUOTED = re.compile(r"""(?<=['"])[^'"\n]*/[^'"\n]*(?=['"])""")
_PATH = re.compile(
    rf"(?<![\w./…])(?:~|[\w.-]+)?(?:/{_STEP}(?: {_STEP})*(?=/))+/(?:(?:{_STEP} ){{1,4}}{_STEP}\.\w{{2,4}}\b|{_STEP})?"
)
# Windows paths of a drive or a server. A backslash may be doubled, as by repr().
_WINDOWS_STEP = r"""[^\s/\\'":,;()<>]+"""
_WINDOWS_FOLDER = (
    rf"(?:\b[A-Za-z]:|(?<![\w\\])\\{{1,2}})(?:\\{{1,2}}{_WINDOWS_STEP}(?: {_WINDOWS_STEP})*(?=\\))*\\{{1,2}}"
)
_WINDOWS_PATH = re.compile(
    rf"""(?<=['"])[A-Za-z]:\\[^'"\n]*(?=['"])|"""
    rf"{_WINDOWS_FOLDER}(?:(?:{_WINDOWS_STEP} ){{1,4}}{_WINDOWS_STEP}\.\w{{2,4}}\b|{_WINDOWS_STEP})?"
)
# The folders of a path outside the working directory: absolute, or from the home or the parent folder.
_FOLDERS = re.compile(
    rf"""(?<=['"])/[^'"\n]*/(?=[^/'"\n]*['"])|"""
    rf"(?<![\w./…])(?:~[\w.-]*|\.\.)?(?:/{_STEP}(?: (?![.~]){_STEP})*(?=/))+/"
    rf"|{_WINDOWS_FOLDER}"
)
_DICOM_VALUE = re.compile(r"\b(?:19|20)\d{6}\b|\b\d{6}\.\d{3,6}\b|\b[0-9]+(?:\.[0-9]+){6,}\b")
_ISO_DATE = re.compile(r"\b(?:19|20)\d\d-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)")


def scrub(text: str, names: tuple[str, ...] = ()) -> str:
    """Remove from a message what could identify a person: names, paths, dates and UIDs.

    A path of Python code is kept from its package on, so that a traceback still leads to its line.

    Parameters
    ----------
    text
        The message.
    names
        Names to remove wherever they occur.
    """
    for name in sorted(filter(None, names), key=len, reverse=True):
        text = text.replace(name, "[name]")

    def keep_code(match: re.Match[str]) -> str:
        path = f"/{match.group(0)}"
        for anchor in ("/workflow/", "/site-packages/", "/lib/python3"):
            if anchor in path:
                return "…" + path[path.index(anchor) :]
        return "[path]"

    text = _WINDOWS_PATH.sub("[path]", _QUOTED.sub(keep_code, text))
    return _DICOM_VALUE.sub("[value]", _ISO_DATE.sub("[value]", _PATH.sub(keep_code, text)))


def shorten_paths(text: str) -> str:
    """Shorten every path outside the working directory to its last component: …/resnet50.h5.

    It serves messages that name a file of the user, but never a scan. The folders of that file may name a person.
    """
    return _FOLDERS.sub("…/", text)
