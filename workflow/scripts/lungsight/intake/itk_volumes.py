"""Read NRRD (.nrrd) and MetaImage (.mha) volumes with SimpleITK."""

import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from lungsight.errors import BadCase
from lungsight.intake.file_kinds import META_IMAGE, NRRD
from lungsight.intake.geometry import LPS_TO_RAS
from lungsight.intake.text_headers import MORE_SLICES, TextHeader, holds_more_slices, read_text_header

_READERS = {NRRD: "NrrdImageIO", META_IMAGE: "MetaImageIO"}
# What a header must say, so that it says how its voxels lie: one field of each group. By kind.
_LIES = {
    NRRD: (("space", "spacedimension"),),
    META_IMAGE: (("elementspacing", "elementsize"), ("transformmatrix", "rotation", "orientation")),
}
# The library takes every other space of a NRRD for the first of these.
_SPACES = {"left-posterior-superior", "lps", "right-anterior-superior", "ras", "left-anterior-superior", "las"}
_MM = {"", "mm", "millimeter", "millimeters", "none", "???"}


class Header(NamedTuple):
    """A header as the library reads it, and as text."""

    reader: sitk.ImageFileReader
    text: TextHeader


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep off standard error what the C++ library writes there: it quotes headers, names among them."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def header_of(path: Path, kind: str) -> Header:
    """Read the header of a volume.

    Parameters
    ----------
    path : Path
    kind : str
        NRRD or META_IMAGE, whatever the file is called.

    Raises
    ------
    BadCase
        If the voxels are in another file, or the header does not say how they lie, or cannot be read.
    """
    text = read_text_header(path, kind)
    _check_says_how_it_lies(text.fields, kind)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(_READERS[kind])
    reader.SetFileName(str(path))
    try:
        with _silenced():
            reader.ReadImageInformation()
    except RuntimeError as error:
        raise BadCase(f"the {kind}'s header is damaged") from error
    if reader.GetNumberOfComponents() != 1:
        raise BadCase(f"the {kind} holds colours, vectors or layers: write one value for each voxel")
    return Header(reader, text)


def _check_says_how_it_lies(fields: dict[str, str], kind: str) -> None:
    """Raise BadCase if the fields of a header leave open how its voxels lie, or say it in other units than mm."""
    three = fields.get("spacedimension", "3") == "3"  # a slice alone lies in no body
    known = kind != NRRD or not three or fields.get("space", "").lower() in _SPACES
    if not known or not all(any(field in fields for field in group) for group in _LIES[kind]):
        raise BadCase(f"the {kind} does not say how it lies (no space, matrix or spacing of patients in its header)")
    if kind == NRRD and set(re.findall(r'"\s*([^"]*?)\s*"', fields.get("spaceunits", "").lower())) - _MM:
        raise BadCase("the space units of the NRRD are not mm")


def voxels_of(header: Header, kind: str) -> np.ndarray:
    """Read the voxels (i, j, k) of a volume as float32; raise BadCase for a file with fewer or more."""
    try:
        with _silenced():
            image = header.reader.Execute()
        voxels = sitk.GetArrayFromImage(image)
        more = holds_more_slices(Path(header.reader.GetFileName()), header.text, voxels.nbytes, voxels.shape)
    except (RuntimeError, ValueError, zlib.error) as error:
        raise BadCase(f"the {kind} is truncated or damaged") from error
    if more:
        raise BadCase(f"the {kind} {MORE_SLICES}")
    return voxels.T.astype(np.float32)


def affine_of(reader: sitk.ImageFileReader) -> np.ndarray:
    """Build the affine (4, 4) from the index to mm in RAS; a volume of two axes is one slice of 1 mm."""
    axes = min(reader.GetDimension(), 3)
    direction = np.reshape(reader.GetDirection(), (reader.GetDimension(),) * 2)[:axes, :axes]
    affine = np.eye(4)
    affine[:axes, :axes] = direction * np.asarray(reader.GetSpacing())[:axes]
    affine[:axes, 3] = np.asarray(reader.GetOrigin())[:axes]
    return LPS_TO_RAS @ affine
