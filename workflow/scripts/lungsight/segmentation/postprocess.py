"""Mending predicted masks: airways taken out, small pieces dropped, holes filled. Each is an option, off by default.

Masks are (i, j, k) bool, volumes (i, j, k) floats on the same grid, any linear grey scale with air dark.
"""

import numpy as np
from scipy import ndimage

from lungsight.segmentation.classical import body_mask, pixel_of, tissue_of

WIDEST_AIRWAY_CM2 = 8.0  # a trachea has 2 to 4 cm²; with the main bronchi at the carina up to 7
MIDLINE_SHARE = 0.15  # of the body's width: so near its middle lie trachea and main bronchi
DARKER_THAN_LUNG = 0.7  # of the way from air to lung: an airway holds air alone


def without_airways(mask: np.ndarray, volume: np.ndarray, spacing: tuple[float, float, float] | None) -> np.ndarray:
    """The mask without trachea and main bronchi, where they are pieces of their own in a slice.

    A piece is an airway if it is small, near the midline of the body and darker than the lungs are. spacing: mm along
    i, j, k; None where it is unknown. Bronchi that touch the lung in a slice stay.
    """
    across = np.flatnonzero(body_mask(tissue_of(volume)).any(axis=(1, 2)))
    if not mask.any() or not across.size:
        return mask
    middle, width = (across[0] + across[-1]) / 2, across[-1] - across[0] + 1
    air = float(np.percentile(volume[mask], 0.5))
    darkest_lung = air + DARKER_THAN_LUNG * (float(np.median(volume[mask])) - air)
    widest = WIDEST_AIRWAY_CM2 * 100 / pixel_of(volume.shape, spacing) ** 2
    kept = mask.copy()
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        pieces, count = ndimage.label(mask[:, :, k])
        numbers = np.arange(1, count + 1)
        areas = ndimage.sum_labels(mask[:, :, k], pieces, numbers)
        medians = ndimage.median(volume[:, :, k], pieces, numbers)
        places = np.array(ndimage.center_of_mass(mask[:, :, k], pieces, numbers))[:, 0]
        airway = (areas <= widest) & (medians < darkest_lung) & (abs(places - middle) <= MIDLINE_SHARE * width)
        kept[:, :, k] &= ~np.isin(pieces, numbers[airway])
    return kept


def keep_largest(mask: np.ndarray, pieces: int) -> np.ndarray:
    """So many of the largest pieces of a mask, connected through the faces of voxels."""
    labels, count = ndimage.label(mask)
    if count <= pieces:
        return mask
    sizes = np.bincount(labels.ravel())[1:]
    return np.isin(labels, 1 + np.argsort(-sizes, kind="stable")[:pieces])


def fill_slices(mask: np.ndarray) -> np.ndarray:
    """The mask with everything that it encloses in a slice."""
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
    """Apply what the config section `segmentation.postprocessing` asks for, in the order of its keys."""
    if remove_airways:
        mask = without_airways(mask, volume, spacing)
    if largest_components is not None:
        mask = keep_largest(mask, largest_components)
    return fill_slices(mask) if fill_holes else mask
