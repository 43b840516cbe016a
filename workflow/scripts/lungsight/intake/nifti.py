"""Read a NIfTI volume as input, and convert it to a windowed volume."""

import zlib
from pathlib import Path

import nibabel
import numpy as np
from isal import igzip

from lungsight.errors import BadCase
from lungsight.intake.geometry import to_canonical, voxel_spacing
from lungsight.intake.headers import MAX_PIXELS
from lungsight.intake.hounsfield import percentiles, sampled
from lungsight.intake.plausibility import doubts_about_hounsfield, doubts_about_unit_values
from lungsight.intake.volume import AcquisitionMetadata, Volume, Window

MAX_VOXELS = 1 << 30
_BESIDE_VOXELS = 1 << 20  # bytes of the header, its extensions and padding
AIR = -300.0  # HU; a chest CT contains air, and air is far below this


def load_nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a three-dimensional NIfTI, with its scl_slope applied, on canonical axes.

    Returns
    -------
    values : (i, j, k) float32
    affine : (4, 4) array
        From the index to mm in RAS.

    Raises
    ------
    BadCase
        For another number of axes, no stated orientation, colours, a size beyond any CT, values that are not finite,
        and files that cannot be read.
    """
    try:
        image = nibabel.load(path)
    except Exception as error:  # a damaged header fails in any of nibabel's many ways
        raise BadCase("the file is no readable NIfTI") from error
    if not isinstance(image, nibabel.Nifti1Pair):
        raise BadCase("the file is no NIfTI")
    shape = image.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (2, 3):
        raise BadCase(f"the NIfTI has {len(shape)} axes; one volume has 3")
    if not image.header["qform_code"] and not image.header["sform_code"]:
        raise BadCase("the NIfTI does not say how it lies (qform_code and sform_code are 0)")
    dtype = np.dtype(image.get_data_dtype())
    if dtype.kind not in "iuf":
        raise BadCase("the NIfTI holds colours or complex numbers")
    shape = (*shape, 1)[:3]
    if min(shape) < 1 or np.prod(shape, dtype=float) > MAX_VOXELS or shape[0] * shape[1] > MAX_PIXELS:
        raise BadCase("the NIfTI's header says it is larger than any CT")
    try:
        values = image.get_fdata(dtype=np.float32, caching="unchanged").reshape(shape)
        if path.name.endswith(".gz"):
            check_gzip(path, values.size * dtype.itemsize)
    except (OSError, EOFError, zlib.error, ValueError, OverflowError) as error:
        raise BadCase("the NIfTI is truncated or damaged") from error
    if not np.isfinite(values).all():
        raise BadCase("the NIfTI holds NaN or infinite values")
    return to_canonical(values, np.asarray(image.affine))


def check_gzip(path: Path, size: int) -> None:
    """Read a compressed file to its end, where the checksum is. nibabel stops after the voxels and would not see it.

    Parameters
    ----------
    path : Path
    size : int
        Bytes of the voxels.

    Raises
    ------
    OSError, EOFError, zlib.error
        For a damaged file.
    ValueError
        For a file that goes on long after its voxels.
    """
    left = size + _BESIDE_VOXELS
    with igzip.open(path) as file:
        while block := file.read(1 << 20):
            left -= len(block)
            if left < 0:
                raise ValueError("more than the header says")


def value_range(values: np.ndarray) -> str:
    """Recognise what the values of a volume are.

    Returns
    -------
    str
        "unit" if all lie in [0, 1], "hu" if they reach down to air.

    Raises
    ------
    BadCase
        If neither holds.
    """
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return "unit"
    if low < AIR:
        return "hu"
    raise BadCase(f"values from {low:.6g} to {high:.6g} are neither HU with air (below {AIR:g}) nor in [0, 1]")


def read_nifti(path: Path, window: Window, min_slices: int, values_are: str = "auto") -> Volume:
    """Convert a NIfTI volume.

    Parameters
    ----------
    path : Path
    window : Window
        For HU.
    min_slices : int
        Volumes with fewer slices are refused.
    values_are : {"auto", "hu", "unit"}
        What the values are: HU, already in [0, 1], or whatever `value_range` recognises.

    Raises
    ------
    BadCase
        As `load_nifti` and `value_range` do, and for too few slices.
    """
    values, affine = load_nifti(path)
    if values.shape[2] < min_slices:
        raise BadCase(f"{values.shape[2]} slices, min_slices is {min_slices}")
    spacing = voxel_spacing(affine)
    acquisition = AcquisitionMetadata(
        rows=values.shape[1],
        columns=values.shape[0],
        spacing_row=float(spacing[1]),
        spacing_column=float(spacing[0]),
        spacing_slice=float(spacing[2]),
    )
    if values_are == "auto":
        values_are = value_range(values)
    samples = [sampled(values[:, :, k]) for k in range(values.shape[2])]
    if values_are == "hu":
        acquisition.hu_p01, acquisition.hu_p50, acquisition.hu_p99 = percentiles(samples)
    elif values.min() < 0 or values.max() > 1:
        raise BadCase("values are not in [0, 1], as intake.nifti_values: unit says")
    else:
        window = Window(0, 1)
    doubts = doubts_about_hounsfield(samples) if values_are == "hu" else doubts_about_unit_values(samples)
    voxels = np.empty(values.shape, np.uint16, order="F")
    for k in range(values.shape[2]):
        voxels[:, :, k] = window.encode(values[:, :, k])
    return Volume(voxels, window.max_code, affine, acquisition, doubts=doubts)
