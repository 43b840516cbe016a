"""Read NRRD (.nrrd) and MetaImage (.mha) volumes with SimpleITK."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from lungsight.errors import BadCase
from lungsight.intake.file_kinds import META_IMAGE, NRRD
from lungsight.intake.geometry import LPS_TO_RAS
from lungsight.intake.text_headers import read_text_header

_READERS = {NRRD: "NrrdImageIO", META_IMAGE: "MetaImageIO"}
# What a header must say: how its voxels lie. By kind.
_LIES = {NRRD: ("space", "spacedimension"), META_IMAGE: ("elementspacing", "elementsize")}


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


def header_of(path: Path, kind: str) -> sitk.ImageFileReader:
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
    fields = read_text_header(path, kind).fields
    if not any(field in fields for field in _LIES[kind]):
        raise BadCase(f"the {kind} does not say how it lies (no space or spacing in its header)")
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
    return reader


def voxels_of(reader: sitk.ImageFileReader, kind: str) -> np.ndarray:
    """Read the voxels (i, j, k) of a volume as float32."""
    try:
        with _silenced():
            image = reader.Execute()
        return sitk.GetArrayFromImage(image).T.astype(np.float32)
    except (RuntimeError, ValueError) as error:
        raise BadCase(f"the {kind} is truncated or damaged") from error


def affine_of(reader: sitk.ImageFileReader) -> np.ndarray:
    """Build the affine (4, 4) from the index to mm in RAS; a volume of two axes is one slice of 1 mm."""
    axes = min(reader.GetDimension(), 3)
    direction = np.reshape(reader.GetDirection(), (reader.GetDimension(),) * 2)[:axes, :axes]
    affine = np.eye(4)
    affine[:axes, :axes] = direction * np.asarray(reader.GetSpacing())[:axes]
    affine[:axes, 3] = np.asarray(reader.GetOrigin())[:axes]
    return LPS_TO_RAS @ affine
