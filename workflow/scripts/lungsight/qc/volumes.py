"""Read the volume and the lung mask of a case as stacks of images."""

from pathlib import Path

import numpy as np

from lungsight.errors import BadCase, UserError
from lungsight.intake.geometry import slice_to_image
from lungsight.program import log
from lungsight.rows import CasesRow
from lungsight.segmentation.volumes import load_nifti_image, mask_that_fits


def as_images(volume: np.ndarray) -> np.ndarray:
    """Turn a canonical volume (i, j, k) into images (slices, rows, columns), feet first, as they are looked at."""
    return np.stack([slice_to_image(volume[:, :, k]) for k in range(volume.shape[2])])


def file_of(case: CasesRow, folder: Path) -> Path:
    """Return the NIfTI file of a case below `folder`, which has a folder for each shard."""
    return Path(folder) / case["shard"] / f"{case['case']}.nii.gz"


def _read_volume(case: CasesRow, nifti: Path) -> np.ndarray:
    """Read the voxels of a case's image, (i, j, k) float32."""
    path = file_of(case, nifti)
    if not path.is_file():
        raise UserError(f"table row {case['row']}: {path} is missing; run `snakemake intake` again.")
    try:
        return np.asanyarray(load_nifti_image(path).dataobj).astype(np.float32)
    except Exception as error:  # a damaged file fails in any of nibabel's many ways
        raise UserError(
            f"table row {case['row']}: {path} is damaged ({type(error).__name__}); delete its folder and run "
            "`snakemake intake` again."
        ) from error


def masks_of(case: CasesRow, masks: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """Read the lung masks of a case.

    Parameters
    ----------
    masks
        Folder of the masks, with a folder for each shard.
    shape
        Number of voxels of the image along i, j, k.

    Returns
    -------
    (slices, rows, columns) bool, or None
        Feet first. None, with a line in the log, if there is no mask that can be read and fits the image.
    """
    try:
        return as_images(mask_that_fits(file_of(case, masks), shape))
    except BadCase as error:
        log(f"table row {case['row']}: no lung mask: {error}")
        return None


def read_case(case: CasesRow, nifti: Path, masks: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Read the images and lung masks of a case.

    Returns
    -------
    images : (slices, rows, columns) float32 in [0, 1]
        Feet first.
    masks : (slices, rows, columns) bool, or None

    Raises
    ------
    UserError
        By table row, if the image is absent or damaged.
    """
    volume = _read_volume(case, nifti)
    return as_images(volume), masks_of(case, masks, volume.shape)
