"""Correct predicted masks: remove airways, drop small pieces, fill holes. Each is an option, off by default.

A mask is (i, j, k) bool. A volume is (i, j, k) float on the same grid, in any linear grey scale with dark air.
"""

import numpy as np
from scipy import ndimage

from lungsight.segmentation.classical import air_in_body, pixel_of

WIDEST_AIRWAY_CM2 = 8.0  # a trachea has 2 to 4 cm²; with the main bronchi at the carina up to 7
MIDLINE_SHARE = 0.15  # of the width of the body: trachea and main bronchi lie so near to its middle


def airways(volume: np.ndarray, spacing: tuple[float, float, float] | None) -> np.ndarray:
    """Find trachea and main bronchi: in each slice, small pieces of gas near the midline of the body.

    Returns
    -------
    (i, j, k) bool
    """
    body, _, gas = air_in_body(volume)
    across = np.flatnonzero(body.any(axis=(1, 2)))
    airway = np.zeros_like(gas)
    if not across.size:
        return airway
    middle, width = (across[0] + across[-1]) / 2, across[-1] - across[0] + 1
    widest = WIDEST_AIRWAY_CM2 * 100 / pixel_of(volume.shape, spacing) ** 2
    for k in np.flatnonzero(gas.any(axis=(0, 1))):
        labels, count = ndimage.label(gas[:, :, k])
        numbers = np.arange(1, count + 1)
        places = np.array(ndimage.center_of_mass(gas[:, :, k], labels, numbers))[:, 0]
        small = ndimage.sum_labels(gas[:, :, k], labels, numbers) <= widest
        airway[:, :, k] = np.isin(labels, numbers[small & (abs(places - middle) <= MIDLINE_SHARE * width)])
    return airway


def without_airways(mask: np.ndarray, volume: np.ndarray, spacing: tuple[float, float, float] | None) -> np.ndarray:
    """Remove trachea, main bronchi and their walls from a mask, as far as the image separates them from the lungs.

    spacing: mm along i, j, k; None if it is unknown.
    """
    wall = ndimage.generate_binary_structure(3, 1)
    wall[1, 1, [0, 2]] = False  # in the plane of the slice alone
    return mask & ~ndimage.binary_dilation(airways(volume, spacing), wall)


def keep_largest(mask: np.ndarray, pieces: int) -> np.ndarray:
    """Keep the largest pieces of a mask, so many. A piece is connected through the faces of voxels."""
    labels, count = ndimage.label(mask)
    if count <= pieces:
        return mask
    sizes = np.bincount(labels.ravel())[1:]
    return np.isin(labels, 1 + np.argsort(-sizes, kind="stable")[:pieces])


def fill_slices(mask: np.ndarray) -> np.ndarray:
    """Fill everything that the mask encloses in a slice."""
    return np.stack([ndimage.binary_fill_holes(mask[:, :, k]) for k in range(mask.shape[2])], axis=-1)


def postprocess(
    mask: np.ndarray,
    volume: np.ndarray,
    spacing: tuple[float, float, float] | None,
    *,
    remove_airways: bool = False,
    largest_components: int | None = None,
    fill_holes: bool = False,
) -> np.ndarray:
    """Apply the options of the config section `segmentation.postprocessing`, in the order of its keys."""
    if remove_airways:
        mask = without_airways(mask, volume, spacing)
    if largest_components is not None:
        mask = keep_largest(mask, largest_components)
    return fill_slices(mask) if fill_holes else mask
