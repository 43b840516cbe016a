"""Axes and affines. The only place where an axis is turned.

Volumes are canonical (RAS+): array index [i, j, k] runs to the patient's right, to anterior and from feet to head, as
far as axes can be turned without resampling; an affine (4, 4) leads from indices to millimetres in RAS.
"""

import nibabel
import numpy as np

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
AFFINE_TOLERANCE = 1e-3


def slice_to_image(plane: np.ndarray) -> np.ndarray:
    """Turn the axial plane `volume[:, :, k]` of a canonical (RAS+) volume into an image as it is looked at.

    plane: (i, j), i towards the patient's right, j towards anterior. Returns (rows, columns) in LPS order: rows run to
    posterior, columns to the patient's left. A view, not a copy.
    """
    return plane[::-1, ::-1].T


def image_to_slice(image: np.ndarray) -> np.ndarray:
    """The inverse of `slice_to_image`: (rows, columns) → (i, j)."""
    return image.T[::-1, ::-1]


def slice_normal(orientation: np.ndarray) -> np.ndarray:
    """Unit normal (3,) of a plane from its ImageOrientationPatient (6,): row direction × column direction, LPS."""
    normal = np.cross(orientation[:3], orientation[3:])
    return normal / np.linalg.norm(normal)


def affine_of_planes(
    orientation: np.ndarray, first: np.ndarray, step: np.ndarray, spacing: tuple[float, float]
) -> np.ndarray:
    """Affine (4, 4) of a stack of DICOM planes, from index [column, row, slice] to millimetres in RAS.

    orientation: (6,) ImageOrientationPatient; first: (3,) ImagePositionPatient of slice 0; step: (3,) from one slice
    to the next; all LPS in mm. spacing: PixelSpacing (between rows, between columns). Source: PS3.3 C.7.6.2.1.1.
    """
    affine = np.eye(4)
    affine[:3, 0] = orientation[:3] * spacing[1]
    affine[:3, 1] = orientation[3:] * spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = first
    return LPS_TO_RAS @ affine


def is_axial(affine: np.ndarray) -> bool:
    """Whether the third axis of a stack is nearest to feet-head."""
    return int(nibabel.orientations.io_orientation(affine)[2, 0]) == 2


def to_canonical(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn and flip the axes of a volume until they are as near to RAS+ as can be, without resampling.

    Returns a view of `array` (three axes) and the affine (4, 4) that belongs to it.
    """
    orientation = nibabel.orientations.io_orientation(affine)
    turned = nibabel.orientations.apply_orientation(array, orientation)
    return turned, affine @ nibabel.orientations.inv_ornt_aff(orientation, array.shape)


def same_grid(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two affines (4, 4) agree within 1e-3 mm a step and 1e-2 mm in the origin."""
    axes = np.allclose(first[:3, :3], second[:3, :3], rtol=0, atol=AFFINE_TOLERANCE)
    return axes and np.allclose(first[:3, 3], second[:3, 3], rtol=0, atol=10 * AFFINE_TOLERANCE)


def voxel_spacing(affine: np.ndarray) -> np.ndarray:
    """Millimetres (3,) between voxel centres along each array axis."""
    return np.linalg.norm(affine[:3, :3], axis=0)
