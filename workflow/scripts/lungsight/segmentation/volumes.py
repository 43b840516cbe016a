"""Volumes and masks as NIfTI: canonical axes (i to the patient's right, j to anterior, k to the head), affine in mm."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from lungsight.errors import BadCase
from lungsight.files import atomic_path

MM3_PER_ML = 1000.0
# What nibabel and numpy raise for files that are no NIfTI, torn, of colours, or with a header of nonsense.
_DAMAGED = (ImageFileError, HeaderDataError, OSError, EOFError, TypeError, ValueError, OverflowError, zlib.error)


@dataclass(frozen=True)
class Image:
    """A case to segment: volume (i, j, k) float32 in [0, 1], affine, and spacing along i, j, k in mm if it is known."""

    case: str
    volume: np.ndarray
    affine: np.ndarray
    spacing: tuple[float, float, float] | None


def read_image(path: Path, case: str, spacing_known: bool = True) -> Image:
    """Read a case's image. spacing_known: False if the affine does not tell, as with pictures."""
    image = nibabel.load(path)
    volume = np.asanyarray(image.dataobj).astype(np.float32)
    spacing = tuple(float(size) for size in image.header.get_zooms()) if spacing_known else None
    return Image(case, volume, image.affine, spacing)


def read_mask(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a mask: ((i, j, k) bool, (4, 4) affine)."""
    image = nibabel.load(path)
    return np.asanyarray(image.dataobj) > 0, image.affine


def mask_that_fits(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A mask, (i, j, k) bool, of an image of this shape.

    Raises BadCase where there is none, it cannot be read, or it has another shape: a case goes on without its mask.
    """
    if not path.is_file():
        raise BadCase("there is no file")
    try:
        image = nibabel.load(path)
        # Before the voxels are read: a damaged header may ask for more memory than there is.
        if image.shape != shape:
            raise BadCase(f"it has {image.shape} voxels, the image {shape}")
        return np.asanyarray(image.dataobj) > 0
    except _DAMAGED as error:
        raise BadCase(f"the file is damaged ({type(error).__name__})") from error


def write_mask(path: Path, mask: np.ndarray, affine: np.ndarray) -> None:
    """Write a mask, (i, j, k) bool, as uint8 0/1 on the grid of `affine`."""
    with atomic_path(path) as temporary:
        nibabel.save(nibabel.Nifti1Image(mask.astype(np.uint8), affine), temporary)


def volume_ml(mask: np.ndarray, affine: np.ndarray) -> float:
    """Volume of a mask, (i, j, k) bool, in ml."""
    return float(np.count_nonzero(mask) * abs(np.linalg.det(affine[:3, :3])) / MM3_PER_ML)
