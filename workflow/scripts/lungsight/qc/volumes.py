"""A case's volume and mask as the earlier rooms left them, as stacks of images."""

import zlib
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError

from lungsight.errors import BadCase, UserError
from lungsight.intake.geometry import slice_to_image
from lungsight.program import log
from lungsight.segmentation.volumes import mask_that_fits


def as_images(volume: np.ndarray) -> np.ndarray:
    """(i, j, k) of a canonical volume → (slices, rows, columns), feet first, each as it is looked at."""
    return np.stack([slice_to_image(volume[:, :, k]) for k in range(volume.shape[2])])


def file_of(case: NamedTuple, folder: Path) -> Path:
    """Where the NIfTI of a case (a row of the table `cases`) lies below `folder`, which has a folder per shard."""
    return Path(folder) / case.shard / f"{case.case}.nii.gz"


def _read_volume(case: NamedTuple, nifti: Path) -> np.ndarray:
    """The voxels of a case's image, (i, j, k) float32. Raises UserError, by table row, if it is absent or damaged."""
    path = file_of(case, nifti)
    if not path.is_file():
        raise UserError(f"table row {case.row}: {path} is missing; run `snakemake intake` again.")
    try:
        return np.asanyarray(nibabel.load(path).dataobj).astype(np.float32)
    except (ImageFileError, OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"table row {case.row}: {path} is damaged ({type(error).__name__}); delete its folder and run "
            "`snakemake intake` again."
        ) from error


def masks_of(case: NamedTuple, masks: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The lung masks of a case, (slices, rows, columns) bool, feet first.

    shape: (i, j, k) of the image. None, and a line in the log, where there is no mask that can be read and fits.
    """
    try:
        return as_images(mask_that_fits(file_of(case, masks), shape))
    except BadCase as error:
        log(f"table row {case.row}: no lung mask: {error}")
        return None


def read_case(case: NamedTuple, nifti: Path, masks: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Images (float32 in [0, 1]) and lung masks (bool, or None) of a case, both (slices, rows, columns), feet first.

    Raises UserError, by table row, when the image is absent or damaged.
    """
    volume = _read_volume(case, nifti)
    return as_images(volume), masks_of(case, masks, volume.shape)
