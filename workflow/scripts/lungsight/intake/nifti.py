"""A NIfTI volume as input → a windowed volume, or the mask of one."""

import zlib
from pathlib import Path

import nibabel
import numpy as np
from isal import igzip

from lungsight.errors import BadCase
from lungsight.intake.geometry import to_canonical, voxel_spacing
from lungsight.intake.headers import MAX_PIXELS
from lungsight.intake.hounsfield import percentiles, sampled
from lungsight.intake.volume import AcquisitionMetadata, Volume, Window

MAX_VOXELS = 1 << 30
_BESIDE_VOXELS = 1 << 20  # bytes of the header, its extensions and padding
AIR = -300.0  # HU; a chest CT has air in it, and air is far below this


def load_nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a three-dimensional NIfTI with its scl_slope, canonical axes.

    Returns the values (i, j, k) float32 and the affine (4, 4). Raises BadCase for another number of axes, no stated
    orientation, colours, a size beyond any CT, values that are not finite, and files that cannot be read.
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
    if image.get_data_dtype().kind not in "iuf":
        raise BadCase("the NIfTI holds colours or complex numbers")
    shape = (*shape, 1)[:3]
    if min(shape) < 1 or np.prod(shape, dtype=float) > MAX_VOXELS or shape[0] * shape[1] > MAX_PIXELS:
        raise BadCase("the NIfTI's header says it is larger than any CT")
    try:
        values = image.get_fdata(dtype=np.float32, caching="unchanged").reshape(shape)
        if path.name.endswith(".gz"):
            check_gzip(path, values.size * image.get_data_dtype().itemsize)
    except (OSError, EOFError, zlib.error, ValueError, OverflowError) as error:
        raise BadCase("the NIfTI is truncated or damaged") from error
    if not np.isfinite(values).all():
        raise BadCase("the NIfTI holds NaN or infinite values")
    return to_canonical(values, image.affine)


def check_gzip(path: Path, size: int) -> None:
    """Read a compressed file to its end, where its checksum is: nibabel stops after the voxels and would not see it.

    size: bytes of the voxels. Raises OSError, EOFError or zlib.error for a damaged file, and ValueError for one that
    goes on for long after them.
    """
    left = size + _BESIDE_VOXELS
    with igzip.open(path) as file:
        while block := file.read(1 << 20):
            left -= len(block)
            if left < 0:
                raise ValueError("more than the header says")


def values_are(values: np.ndarray) -> str:
    """ "unit" if all values lie in [0, 1], "hu" if they reach down to air; raises BadCase if neither holds."""
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return "unit"
    if low < AIR:
        return "hu"
    raise BadCase(f"values from {low:.6g} to {high:.6g} are neither HU with air (below {AIR:g}) nor in [0, 1]")


def read_nifti(path: Path, window: Window, min_slices: int, kind: str = "auto") -> Volume:
    """Convert a NIfTI volume. kind: "hu", "unit" ([0, 1], taken as it is), or "auto" to tell by `values_are`.

    Raises BadCase as `load_nifti` and `values_are` do, and for fewer than `min_slices` slices.
    """
    values, affine = load_nifti(path)
    if values.shape[2] < min_slices:
        raise BadCase(f"{values.shape[2]} slices, min_slices is {min_slices}")
    spacing = voxel_spacing(affine)
    facts = AcquisitionMetadata(
        rows=values.shape[1],
        columns=values.shape[0],
        spacing_row=float(spacing[1]),
        spacing_column=float(spacing[0]),
        spacing_slice=float(spacing[2]),
    )
    if kind == "auto":
        kind = values_are(values)
    if kind == "hu":
        facts.hu_p01, facts.hu_p50, facts.hu_p99 = percentiles(
            [sampled(values[:, :, k]) for k in range(values.shape[2])]
        )
    elif values.min() < 0 or values.max() > 1:
        raise BadCase("values are not in [0, 1], as intake.nifti_values: unit says")
    else:
        window = Window(0, 1)
    codes = np.empty(values.shape, np.uint16, order="F")
    for k in range(values.shape[2]):
        codes[:, :, k] = window.codes(values[:, :, k])
    return Volume(codes, window.full, affine, facts)
