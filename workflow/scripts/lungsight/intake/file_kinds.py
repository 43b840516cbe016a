"""Tell what a file is by its first bytes. Names lie: a gzip stream may be called .nii, a plain file .nii.gz."""

import glob
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import cast

from isal import igzip

HEAD = 1024  # bytes that are looked at
NIFTI, PAIR, NIFTI2, ANALYZE = "NIfTI", "NIfTI pair", "NIfTI 2", "Analyze 7.5"
NRRD, META_IMAGE, DICOM = "NRRD", "MetaImage", "DICOM"

_GZIP = b"\x1f\x8b"
_SIZES = {size.to_bytes(4, order): size for size in (348, 540) for order in ("little", "big")}
_MARKS = (
    # place, bytes, name
    (0, b"NRRD0", NRRD),
    (128, b"DICM", DICOM),
    (0, b"\x89PNG", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (8, b"WEBP", "WebP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"\x93NUMPY", "NumPy array"),
    (0, b"MATLAB 5.0", "MATLAB file"),
    (0, b"\x89HDF\r\n", "HDF5 file (MINC 2, MATLAB)"),
    (0, b"CDF\x01", "MINC 1 file"),
    (0, b"\0\0\0\x01", "FreeSurfer MGH file"),
    (257, b"ustar", "tar archive"),
    (0, b"PK\x03\x04", "zip archive"),
    (0, b"7z\xbc\xaf", "7z archive"),
    (0, b"Rar!", "rar archive"),
    (0, b"BZh", "bzip2 file"),
    (0, b"\xfd7zXZ", "xz file"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard file"),
)
# The fields of a MetaImage come in any order, comments among them.
_META_IMAGE = re.compile(rb"^[ \t]*(ObjectType|NDims|DimSize|ElementType)[ \t]*[=:]", re.MULTILINE)


def is_gzip(path: Path) -> bool:
    """Tell whether a file is a gzip stream."""
    with open(path, "rb") as file:
        return file.read(len(_GZIP)) == _GZIP


@contextmanager
def unpacked(path: Path) -> Iterator[BufferedIOBase]:
    """Open a file for reading, through gzip if it is a gzip stream."""
    if is_gzip(path):
        with igzip.open(path) as stream:
            yield cast(BufferedIOBase, stream)
    else:
        with open(path, "rb") as file:
            yield file


def kind_of(head: bytes) -> str:
    """Name the kind of a file by its first bytes, after gzip; "" if they are unknown."""
    size = _SIZES.get(head[:4])
    if size == 540 and head[4:7] in (b"n+2", b"ni2"):
        return NIFTI2
    if size == 348:
        return {b"n+1": NIFTI, b"ni1": PAIR}.get(head[344:347], ANALYZE)
    known = next((name for place, mark, name in _MARKS if head[place : place + len(mark)] == mark), "")
    return known or (META_IMAGE if _META_IMAGE.search(head) else "")


def header_file(path: Path) -> Path:
    """Find the header of a pair (.hdr and .img) that is named by its voxels; any other file is its own header."""
    return other_half(path, ".img", ".hdr") or path


def other_half(path: Path, ending: str, other: str) -> Path | None:
    """Find the other half of a pair: the same name with another ending, in capitals or not, compressed or not.

    None if this half has another ending, or there is no other half. A link is none: it may lead out of the root.
    """
    name = path.name.lower().removesuffix(".gz")
    if not name.endswith(ending):
        return None
    stem = path.name[: len(name) - len(ending)]
    halves = [
        file
        for file in path.parent.glob(glob.escape(stem) + ".*")
        if file.name[len(stem) :].lower() in (other, f"{other}.gz") and file.is_file() and not file.is_symlink()
    ]
    return min(halves, default=None)
