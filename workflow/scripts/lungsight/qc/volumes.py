"""A case's volume and mask as the earlier rooms left them, as stacks of images."""

from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np

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


def masks_of(case: NamedTuple, masks: Path) -> np.ndarray:
    """The lung masks of a case, (slices, rows, columns) bool, feet first."""
    return as_images(np.asanyarray(nibabel.load(file_of(case, masks)).dataobj) > 0)


def read_case(case: NamedTuple, nifti: Path, masks: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (float32 in [0, 1]) and lung masks (bool) of a case, both (slices, rows, columns), feet first.

    Raises UserError, by table row, when a file is absent or the two do not have one shape.
    """
    images = as_images(np.asanyarray(nibabel.load(file_of(case, nifti)).dataobj).astype(np.float32))
    lung = masks_of(case, masks)
    if images.shape != lung.shape:
        raise UserError(
            f"table row {case.row}: the lung mask of case {case.case} is {lung.shape} (slices, rows, columns), its "
            f"image {images.shape}; a mask must lie on its image's grid."
        )
    return images, lung
