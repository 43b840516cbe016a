"""Find the CT slices among the files of a folder."""

import os
import re
from pathlib import Path

from lungsight.errors import BadCase
from lungsight.intake.file_names import is_leftover
from lungsight.intake.headers import DICOM_SUFFIXES, NOT_DICOM, LeftOut, SliceHeader, read_header
from lungsight.intake.substitutes import substitute_of

_DIGITS = re.compile(r"\d+")


def files_below(path: Path, root: Path) -> list[Path]:
    """List the file itself, or every file of a folder and its subfolders, sorted by path.

    Links that lead out of `root` are left out. So is anything that is not a file: a pipe would never end.
    """
    if path.is_file():
        return [path]
    inside = root.resolve()
    places = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
    inner = (file for file in places if not file.is_symlink() or Path(os.path.realpath(file)).is_relative_to(inside))
    return sorted(file for file in inner if file.is_file())


def read_headers(path: Path, root: Path) -> tuple[list[SliceHeader], list[LeftOut]]:
    """Read the headers of a series folder or of one file.

    Parameters
    ----------
    path : Path
    root : Path
        Links may not lead out of it.

    Returns
    -------
    slices : list of SliceHeader
        In path order.
    others : list of LeftOut

    Raises
    ------
    BadCase
        As `read_header` does.
    """
    slices: list[SliceHeader] = []
    others: list[LeftOut] = []
    unknown: list[tuple[int, Path]] = []
    for ordinal, file in enumerate(files_below(path, root), start=1):
        header = read_header(file, ordinal)
        if isinstance(header, LeftOut):
            others.append(header)
            if header.kind == NOT_DICOM and not is_leftover(file.relative_to(path)):
                unknown.append((ordinal, file))
        else:
            slices.append(header)
    _check_none_is_named_like_a_slice(unknown, slices)
    return slices, others


def _check_none_is_named_like_a_slice(unknown: list[tuple[int, Path]], slices: list[SliceHeader]) -> None:
    """Raise BadCase if a file that is not DICOM is named like the slices but for its numbers.

    Where the slices have no such name in common, the ending of a DICOM file is enough.
    """
    names = {_DIGITS.sub("0", header.path.name) for header in slices}
    endings = DICOM_SUFFIXES - {""} if len(names) != 1 else set()
    for ordinal, file in unknown:
        if file.suffix.lower() in endings or _DIGITS.sub("0", file.name) in names:
            found = substitute_of(file) or "damaged or cut off"
            raise BadCase(f"file {ordinal} is named like a slice and is no DICOM file: {found}")
