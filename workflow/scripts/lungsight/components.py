"""Connected components of masks, for all rooms that look at pictures."""

import numpy as np
from scipy import ndimage


def largest_component(mask: np.ndarray) -> np.ndarray:
    """Return the largest 4-connected component of a mask (rows, columns); nothing of an empty mask."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return np.zeros_like(mask)
    return labels == np.bincount(labels.ravel())[1:].argmax() + 1
