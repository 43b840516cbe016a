"""Read the headers of NRRD and MetaImage, which are text, without the libraries that read their voxels.

These libraries open any file that a header names. So a header may name none, in whatever way they read it.
"""

import math
import mmap
import re
import zlib
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from lungsight.errors import BadCase
from lungsight.intake.file_kinds import META_IMAGE, NRRD

MOST_HEADER = 1 << 20  # bytes
MORE_SLICES = "holds more slices than its header says"
_BLOCK = 1 << 20  # bytes that are unpacked at once
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


def holds_more_slices(path: Path, header: TextHeader, read: int, shape: tuple[int, ...]) -> bool:
    """Tell whether a file goes on by a slice or more after its voxels.

    Parameters
    ----------
    path : Path
    header : TextHeader
    read : int
        Bytes of the voxels.
    shape : (k, j, i)
    """
    enough = read + read // math.prod(shape[:-2])
    encoding = header.fields.get("encoding", "raw").lower()
    with open(path, "rb") as file:
        file.seek(header.end)
        if encoding in ("gzip", "gz") or header.fields.get("compresseddata", "").lower() == "true":
            return _unpacked_size(file, enough) >= enough
        if encoding != "raw" or header.fields.get("binarydata", "true").lower() != "true":
            return False  # numbers as text, bzip2
        return file.seek(0, 2) - header.end >= enough


def _unpacked_size(file: BufferedReader, enough: int) -> int:
    """Count the bytes of a zlib or gzip stream, up to a number that is enough."""
    stream, size = zlib.decompressobj(zlib.MAX_WBITS | 32), 0
    while size < enough and not stream.eof and (packed := stream.unconsumed_tail or file.read(_BLOCK)):
        size += len(stream.decompress(packed, _BLOCK))
    return size
