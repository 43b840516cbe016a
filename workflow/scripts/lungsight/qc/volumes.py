"""A case's volume and mask as the earlier rooms left them, as stacks of images."""

import zlib
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError

from lungsight.errors import UserError
from lungsight.intake.geometry import slice_to_image


def as_images(volume: np.ndarray) -> np.ndarray:
    """(i, j, k) of a canonical volume → (slices, rows, columns), feet first, each as it is looked at."""
    return np.stack([slice_to_image(volume[:, :, k]) for k in range(volume.shape[2])])


def file_of(case: NamedTuple, folder: Path) -> Path:
    """Where the NIfTI of a case (a row of the table `cases`) lies below `folder`, which has a folder per shard."""
    path = Path(folder) / case.shard / f"{case.case}.nii.gz"
    if not path.is_file():
        raise UserError(f"table row {case.row}: {path} is missing; run `snakemake segment` again.")
    return path


def _values(case: NamedTuple, folder: Path) -> np.ndarray:
    """The voxels of a case's file, (i, j, k). Raises UserError, by table row, when it is absent or damaged."""
    path = file_of(case, folder)
    try:
        return np.asanyarray(nibabel.load(path).dataobj)
    except (ImageFileError, OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"table row {case.row}: {path} is damaged ({type(error).__name__}); delete its folder and run "
            "`snakemake segment` again."
        ) from error


def masks_of(case: NamedTuple, masks: Path) -> np.ndarray:
    """The lung masks of a case, (slices, rows, columns) bool, feet first. Raises UserError as `read_case`."""
    return as_images(_values(case, masks) > 0)


def read_case(case: NamedTuple, nifti: Path, masks: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (float32 in [0, 1]) and lung masks (bool) of a case, both (slices, rows, columns), feet first.

    Raises UserError, by table row, when a file is absent or damaged, or the two do not have one shape.
    """
    images = as_images(_values(case, nifti).astype(np.float32))
    lung = masks_of(case, masks)
    if images.shape != lung.shape:
        raise UserError(
            f"table row {case.row}: the lung mask of case {case.case} is {lung.shape} (slices, rows, columns), its "
            f"image {images.shape}; a mask must lie on its image's grid."
        )
    return images, lung
