"""Measure how well predicted masks agree with contours."""

import nibabel.affines
import numpy as np
import pandas as pd
from scipy import ndimage

from lungsight.segmentation.volumes import volume_ml


def dice(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return the Dice coefficient of two masks of one shape; NaN if both are empty."""
    total = np.count_nonzero(truth) + np.count_nonzero(predicted)
    return 2 * np.count_nonzero(truth & predicted) / total if total else float("nan")


def _surface(mask: np.ndarray) -> np.ndarray:
    """Return the voxels of a mask that touch its outside with a face; in a single slice, with an edge of the pixel."""
    faces = ndimage.generate_binary_structure(3, 1)
    if mask.shape[2] == 1:
        faces[:, :, [0, 2]] = False
    return mask & ~ndimage.binary_erosion(mask, faces)


def surface_distance_95(truth: np.ndarray, predicted: np.ndarray, spacing: tuple[float, ...]) -> float:
    """Return the 95th percentile of the distances from either surface to the other.

    A distance runs between centres of surface voxels. The distances of both directions count together.

    Parameters
    ----------
    truth, predicted : (i, j, k) bool
    spacing
        mm along i, j, k.

    Returns
    -------
    float
        mm; NaN if a mask is empty.

    References
    ----------
    The Hausdorff distance at 95 % of Taha & Hanbury, BMC Med Imaging 15:29 (2015).
    """
    if not truth.any() or not predicted.any():
        return float("nan")
    [box] = ndimage.find_objects((truth | predicted).astype(np.uint8))
    surfaces = [_surface(mask[box]) for mask in (truth, predicted)]
    away = [ndimage.distance_transform_edt(~surface, sampling=spacing) for surface in surfaces]
    return float(np.percentile(np.concatenate([away[0][surfaces[1]], away[1][surfaces[0]]]), 95))


def no_mask(truth: np.ndarray, affine: np.ndarray, why: str) -> dict:
    """Return the columns of `compare_masks` for a case without a predicted mask. why: there is none."""
    unknown = dict.fromkeys(("dice", "surface_distance_95", "predicted_ml", "volume_error"), float("nan"))
    return unknown | {"true_ml": volume_ml(truth, affine), "reason": f"no lung mask: {why}"}


def compare_masks(truth: np.ndarray, predicted: np.ndarray, affine: np.ndarray) -> dict:
    """Compare a predicted mask with the contours, both (i, j, k) bool on the grid of `affine`.

    Returns
    -------
    dict
        The measured columns of segmentation/metrics.tsv.
    """
    agreement = dice(truth, predicted)
    true_ml, predicted_ml = volume_ml(truth, affine), volume_ml(predicted, affine)
    return {
        "dice": agreement,
        "surface_distance_95": surface_distance_95(truth, predicted, nibabel.affines.voxel_sizes(affine)),
        "true_ml": true_ml,
        "predicted_ml": predicted_ml,
        "volume_error": (predicted_ml - true_ml) / true_ml if true_ml else float("nan"),
        "reason": "no lung in either mask" if np.isnan(agreement) else "",
    }


def slices_of(row: pd.Series) -> slice:
    """Return which slices of its case a row of the split or of metrics.tsv is about: all, or the one of `z_index`."""
    return slice(row["z_index"], row["z_index"] + 1) if "z_index" in row else slice(None)
