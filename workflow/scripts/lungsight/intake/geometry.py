"""Turn axes and build affines. No other module turns an axis.

A canonical volume is RAS+: the array index [i, j, k] runs to the patient's right, to anterior and from feet to head, as
nearly as axes can be turned without resampling. An affine (4, 4) maps an index to millimetres in RAS. DICOM counts in
LPS: to the patient's left, to posterior, to the head.
"""
# nibabel.orientations has no annotations:
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false

import numpy as np
from numpy.typing import NDArray

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
AFFINE_TOLERANCE = 1e-3
MIN_SPACING, MAX_SPACING = 0.01, 20.0  # mm between pixels of a CT; micro-CT has some hundredths
MAX_SLICE_SPACING = 200.0  # mm; a chest is 300 mm high, and a few slices of it may have been kept
SPACING_TOLERANCE = 0.01  # of the spacing
SHEAR_TOLERANCE = 1e-3  # on the cosine between two axes, as for the planes of a DICOM series


def slice_to_image(plane: np.ndarray) -> np.ndarray:
    """Turn an axial plane of a canonical volume into an image as radiologists look at it.

    Parameters
    ----------
    plane : (i, j) array
        `volume[:, :, k]`: i to the patient's right, j to anterior.

    Returns
    -------
    (rows, columns) array
        A view in LPS order: rows run to posterior, columns to the patient's left.
    """
    return plane[::-1, ::-1].T


def image_to_slice(image: np.ndarray) -> np.ndarray:
    """Turn an image (rows, columns) back into a plane (i, j): the inverse of `slice_to_image`."""
    return image.T[::-1, ::-1]


def slice_normal(orientation: np.ndarray) -> np.ndarray:
    """Compute the unit normal of a DICOM plane: row direction × column direction.

    Parameters
    ----------
    orientation : (6,) array
        ImageOrientationPatient, LPS.

    Returns
    -------
    (3,) array
        LPS, of length 1.
    """
    normal = np.cross(orientation[:3], orientation[3:])
    return normal / np.linalg.norm(normal)


def affine_of_planes(
    orientation: np.ndarray, first: np.ndarray, step: np.ndarray, spacing: tuple[float, float]
) -> np.ndarray:
    """Build the affine of a stack of DICOM planes.

    Parameters
    ----------
    orientation : (6,) array
        ImageOrientationPatient.
    first : (3,) array
        ImagePositionPatient of slice 0, mm in LPS.
    step : (3,) array
        From one slice to the next, mm in LPS.
    spacing : (float, float)
        PixelSpacing: mm between rows, mm between columns.

    Returns
    -------
    (4, 4) array
        From the index [column, row, slice] to mm in RAS.

    References
    ----------
    DICOM PS3.3 C.7.6.2.1.1.
    """
    affine = np.eye(4)
    affine[:3, 0] = orientation[:3] * spacing[1]
    affine[:3, 1] = orientation[3:] * spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = first
    return LPS_TO_RAS @ affine


def _axes_of(affine: np.ndarray) -> NDArray[np.floating]:
    """For each array axis: the nearest axis of RAS (0, 1, 2) and the direction along it (1, −1); (3, 2)."""
    import nibabel.orientations  # here, since most programs only turn slices, and it loads pydicom

    return nibabel.orientations.io_orientation(affine)


def is_axial(affine: np.ndarray) -> bool:
    """Tell whether the third array axis of a stack is nearest to the feet-head axis."""
    return int(_axes_of(affine)[2, 0]) == 2


def to_canonical(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn and flip the axes of a volume until they are as near to RAS+ as they get without resampling.

    Parameters
    ----------
    array : array of three axes
    affine : (4, 4) array
        From its index to mm in RAS.

    Returns
    -------
    turned : array
        A view of `array`.
    affine : (4, 4) array
        The affine of that view.
    """
    import nibabel.orientations

    axes = _axes_of(affine)
    turned = nibabel.orientations.apply_orientation(array, axes)
    back = nibabel.orientations.inv_ornt_aff(axes, array.shape)
    return turned, affine @ back


def same_grid(first: np.ndarray, second: np.ndarray) -> bool:
    """Tell whether two affines (4, 4) agree within 1e-3 mm per step and 1e-2 mm at the origin."""
    axes = np.allclose(first[:3, :3], second[:3, :3], rtol=0, atol=AFFINE_TOLERANCE)
    return axes and np.allclose(first[:3, 3], second[:3, 3], rtol=0, atol=10 * AFFINE_TOLERANCE)


def voxel_spacing(affine: np.ndarray) -> np.ndarray:
    """Compute the mm (3,) between voxel centres along each array axis."""
    return np.linalg.norm(affine[:3, :3], axis=0)


def unit_axes(affine: np.ndarray) -> np.ndarray:
    """Compute the directions of the array axes: (3, 3), one unit vector a column."""
    return affine[:3, :3] / voxel_spacing(affine)


def is_sheared(affine: np.ndarray) -> bool:
    """Tell whether the array axes are not perpendicular: the planes are shifted against each other."""
    axes = unit_axes(affine)
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() > SHEAR_TOLERANCE)
