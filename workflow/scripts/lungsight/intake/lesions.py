"""Read the lesion mask that may come with a case.

It is a NIfTI, NRRD or MetaImage on the grid of the image; for a picture it is a PNG of the picture's size.
"""

from pathlib import Path

import numpy as np

from lungsight.intake.mask_plausibility import check_extent
from lungsight.intake.masks import label_volume
from lungsight.intake.picture_masks import read_picture_mask
from lungsight.intake.volume import Volume


def read_lesion(path: Path, volume: Volume, format: str) -> np.ndarray:
    """Read the lesions of a case. All labels above 0 are lesion; a mask may be empty.

    Parameters
    ----------
    path : Path
    volume : Volume
        The case.
    format : {"dicom", "nifti", "png"}
        Of the cohort.

    Returns
    -------
    uint8 array of the shape of `volume.voxels`
        1 is lesion.

    Raises
    ------
    BadCase
        For a mask that does not fit the image, is no mask, or cannot be read.
    """
    labels = read_picture_mask(path, volume, "lesion") if format == "png" else label_volume(path, volume)
    mask = (labels > 0).astype(np.uint8)
    check_extent(mask, "lesions")
    return mask
