"""Pseudonyms for patients and cases, and messages without names: what may leave `results/<run>.private/`."""

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

KEY_BYTES = 32
PSEUDONYM_LENGTH = 16  # hexadecimal digits: 64 bits, so ten million cases collide with a chance of 3 in a million


def make_private_folder(path: Path) -> Path:
    """Make a folder that its owner alone may enter (mode 700)."""
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chmod(path, 0o700)
    return path


def new_key() -> bytes:
    """Draw a random key of 256 bits for `pseudonym`."""
    return secrets.token_bytes(KEY_BYTES)


def pseudonym(key: bytes, *parts: str) -> str:
    """Return a pseudonym: a keyed hash (HMAC-SHA256, shortened) that is stable under one key and safe as a file name.

    Each part is hashed with its length, so that ("a", "bc") and ("ab", "c") differ.
    """
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:PSEUDONYM_LENGTH]


def read_key(path: Path) -> bytes:
    """Read the key that the rule `pseudonym_key` wrote."""
    return bytes.fromhex(Path(path).read_text(encoding="ascii").strip())


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
