"""A lung mask without a trained network: threshold, body, air inside it, connected components, closing.

For users without contours to train on, and as a second opinion on a network's masks. After Hu, Hoffman & Reinhardt,
IEEE Trans Med Imaging 20:490 (2001), with the body found slice by slice instead of from the volume's border.
"""

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label
from skimage.morphology import isotropic_closing

CLOSING_MM = 6.0  # bridges vessels and small consolidations at the border
SMALLEST_OF_LARGEST = 0.1  # of the largest component of a volume: less is bowel gas or airway
SMALLEST_OF_BODY = 0.006  # of the body's area in a single slice: less is an airway
ASSUMED_FIELD_OF_VIEW_MM = 350.0  # of an image without a known spacing


def _largest_component(plane: np.ndarray) -> np.ndarray:
    labels, count = ndimage.label(plane)
    if count == 0:
        return plane
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])


def body_mask(tissue: np.ndarray) -> np.ndarray:
    """The body in every axial slice: the largest piece of tissue, opened to cut off the table, holes filled.

    tissue: (i, j, k) bool. Returns the same shape.
    """
    body = np.zeros_like(tissue)
    for k in range(tissue.shape[2]):
        largest = _largest_component(ndimage.binary_opening(tissue[:, :, k], iterations=2))
        body[:, :, k] = ndimage.binary_fill_holes(largest)
    return body


def _lung_components(air: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Of the air inside the body, the pieces that are lung: in a volume the large ones, in a slice all but airways."""
    labels = label(air, connectivity=1)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    smallest = SMALLEST_OF_LARGEST * sizes.max() if air.shape[2] > 1 else SMALLEST_OF_BODY * np.count_nonzero(body)
    return np.isin(labels, np.flatnonzero((sizes >= smallest) & (sizes > 0)))


def tissue_of(volume: np.ndarray) -> np.ndarray:
    """What is brighter than air, (i, j, k) bool; nothing in an image of one value."""
    if volume.min() == volume.max():
        return np.zeros(volume.shape, dtype=bool)
    return volume >= threshold_otsu(volume.ravel())


def pixel_of(shape: tuple[int, ...], spacing: tuple[float, float, float] | None) -> float:
    """The smaller edge of a pixel in mm; of an image without a known spacing an assumed one."""
    return min(spacing[:2]) if spacing else ASSUMED_FIELD_OF_VIEW_MM / max(shape[:2])


def lung_mask(volume: np.ndarray, spacing: tuple[float, float, float] | None = None) -> np.ndarray:
    """The lungs of a CT volume or of a single slice.

    volume: (i, j, k), any linear grey scale, air dark. spacing: mm along i, j, k; None where it is unknown.
    Returns (i, j, k) bool, empty where no air is enclosed.
    """
    tissue = tissue_of(volume)
    body = body_mask(tissue)
    lungs = _lung_components(body & ~tissue, body)
    pixel = pixel_of(volume.shape, spacing)
    for k in np.flatnonzero(lungs.any(axis=(0, 1))):
        closed = isotropic_closing(lungs[:, :, k], CLOSING_MM / pixel)
        lungs[:, :, k] = ndimage.binary_fill_holes(closed) & body[:, :, k]
    return lungs
