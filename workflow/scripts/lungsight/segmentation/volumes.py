"""Read and write volumes and masks as NIfTI.

The axes are canonical: i runs to the patient's right, j to anterior, k to the head. Affines are in mm.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from lungsight.errors import BadCase
from lungsight.files import atomic_path

if TYPE_CHECKING:  # loaded where a file is: most programs that know this module read cached arrays
    import nibabel

MM3_PER_ML = 1000.0


@dataclass(frozen=True)
class Image:
    """A case to segment.

    Attributes
    ----------
    case
        Pseudonym of the case.
    volume : (i, j, k) float32 in [0, 1]
    affine : (4, 4) float
    spacing
        mm along i, j, k; None if it is unknown.
    """

    case: str
    volume: np.ndarray
    affine: np.ndarray
    spacing: tuple[float, float, float] | None


def load_nifti_image(path: Path) -> "nibabel.Nifti1Image":
    """Open a NIfTI file that the run wrote. Its voxels are read when they are used."""
    import nibabel

    return cast("nibabel.Nifti1Image", nibabel.load(path))


def affine_of(image: "nibabel.Nifti1Image") -> np.ndarray:
    """Return the affine, (4, 4), which an image that was read from a file has."""
    assert image.affine is not None
    return image.affine


def read_image(path: Path, case: str, spacing_known: bool = True) -> Image:
    """Read the image of a case. spacing_known: False if the affine does not tell it, as for pictures."""
    image = load_nifti_image(path)
    volume = np.asanyarray(image.dataobj).astype(np.float32)
    i, j, k = map(float, image.header.get_zooms())
    return Image(case, volume, affine_of(image), (i, j, k) if spacing_known else None)


def read_mask(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a mask, (i, j, k) bool, and its affine, (4, 4)."""
    image = load_nifti_image(path)
    return np.asanyarray(image.dataobj) > 0, affine_of(image)


def mask_that_fits(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read the mask of an image of a known shape. Returns (i, j, k) bool.

    Raises
    ------
    BadCase
        If there is no mask, it cannot be read, or it has another shape. The case then goes on without a mask.
    """
    if not path.is_file():
        raise BadCase("there is no file")
    try:
        image = load_nifti_image(path)
        # Before the voxels are read: a damaged header may ask for more memory than there is.
        if image.shape != shape:
            raise BadCase(f"it has {image.shape} voxels, the image {shape}")
        return np.asanyarray(image.dataobj) > 0
    except BadCase:
        raise
    except Exception as error:  # a damaged file fails in any of nibabel's many ways
        raise BadCase(f"the file is damaged ({type(error).__name__})") from error


def write_volume(path: Path, volume: np.ndarray, affine: np.ndarray) -> None:
    """Write an integer volume, (i, j, k), on the grid of `affine`."""
    import nibabel

    with atomic_path(path) as temporary:
        nibabel.save(nibabel.Nifti1Image(volume, affine), temporary)


def write_mask(path: Path, mask: np.ndarray, affine: np.ndarray) -> None:
    """Write a mask, (i, j, k) bool, as uint8 0/1 on the grid of `affine`."""
    write_volume(path, mask.astype(np.uint8), affine)


def volume_ml(mask: np.ndarray, affine: np.ndarray) -> float:
    """Return the volume of a mask, (i, j, k) bool, in ml."""
    return float(np.count_nonzero(mask) * abs(np.linalg.det(affine[:3, :3])) / MM3_PER_ML)
