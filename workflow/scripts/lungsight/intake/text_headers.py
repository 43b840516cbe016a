"""Read the headers of NRRD and MetaImage, which are text, without the libraries that read their voxels.

These libraries open any file that a header names. So a header may name none, in whatever way they read it.
"""

import mmap
import re
from pathlib import Path
from typing import NamedTuple

from lungsight.errors import BadCase
from lungsight.intake.file_kinds import META_IMAGE, NRRD

MOST_HEADER = 1 << 20  # bytes
_HERE = b"ElementDataFile"  # of a MetaImage: the last field, says where the voxels are
_NAMED = re.compile(_HERE + rb"[ \t]*[=:]([^\r\n]*)\r?\n")
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r){2}")  # ends the header of a NRRD


class TextHeader(NamedTuple):
    """A header.

    Attributes
    ----------
    fields : dict
        By their names in small letters, without spaces.
    end : int
        Where the voxels begin.
    """

    fields: dict[str, str]
    end: int


def read_text_header(path: Path, kind: str) -> TextHeader:
    """Read the header of a NRRD or MetaImage.

    Parameters
    ----------
    path : Path
    kind : str
        NRRD or META_IMAGE, whatever the file is called.

    Raises
    ------
    BadCase
        If the voxels are in another file, or the header does not end.
    """
    with open(path, "rb") as file:
        text = file.read(MOST_HEADER)
    end = _end_of_meta_image(path, text) if kind == META_IMAGE else _end_of_nrrd(text)
    fields: dict[str, str] = {}
    for line in re.split(rb"[\r\n]+", text[: end or None]):
        name, separator, value = line.partition(b":") if kind == NRRD else _halves(line)
        if separator:
            fields.setdefault(b"".join(name.split()).decode("latin-1").lower(), value.decode("latin-1").strip())
    if "datafile" in fields or fields.get(_HERE.decode().lower(), "LOCAL") != "LOCAL":
        raise BadCase(f"the {kind} holds no voxels, they are in another file: write one file, .nii.gz, .mha or .nrrd")
    if not end:
        raise BadCase(f"the {kind}'s header is damaged: it does not end")
    return TextHeader(fields, end)


def _halves(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Split a line of a MetaImage, where = and : are one."""
    found = re.search(rb"[=:]", line)
    return (line[: found.start()], found[0], line[found.end() :]) if found else (line, b"", b"")


def _end_of_nrrd(text: bytes) -> int:
    """Find where the header of a NRRD ends; 0 if it does not."""
    found = _BLANK_LINE.search(text)
    return found.end() if found else 0


def _end_of_meta_image(path: Path, text: bytes) -> int:
    """Find where the header of a MetaImage ends; 0 if it does not, or could be read in two ways."""
    found = _NAMED.search(text)
    if not found:
        return 0
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # The library passes over a field whose line before is odd, and takes the next.
        if content.find(_HERE) != content.rfind(_HERE):
            return 0
    return found.end()


def shape_of(header: TextHeader) -> tuple[int, ...]:
    """Read the shape of a volume; raise ValueError for what are no numbers."""
    return tuple(int(size) for size in header.fields.get("sizes", header.fields.get("dimsize", "")).split())
