"""Connected components of masks, and masks grown and shrunk, for all rooms that look at pictures.

A mask is (rows, columns) bool, and a pixel has four neighbours.
"""

import numpy as np
from scipy import ndimage


def largest_component(mask: np.ndarray) -> np.ndarray:
    """Return the largest 4-connected component of a mask (rows, columns); nothing of an empty mask."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return np.zeros_like(mask)
    return labels == np.bincount(labels.ravel())[1:].argmax() + 1


def eroded(mask: np.ndarray, times: int = 1, outside: bool = False) -> np.ndarray:
    """Take the outermost pixels off a mask, so many times: scipy.ndimage.binary_erosion, by shifts of the whole mask.

    outside: whether what lies outside the picture counts as part of the mask.
    """
    for _ in range(times):
        mask = _with_neighbours(mask, np.logical_and, outside)
    return mask


def dilated(mask: np.ndarray, times: int = 1) -> np.ndarray:
    """Add the pixels around a mask, so many times: scipy.ndimage.binary_dilation."""
    for _ in range(times):
        mask = _with_neighbours(mask, np.logical_or, False)
    return mask


def opened(mask: np.ndarray, times: int = 1) -> np.ndarray:
    """Take off what is thin: scipy.ndimage.binary_opening."""
    return dilated(eroded(mask, times), times)


def _with_neighbours(mask: np.ndarray, join: np.ufunc, outside: bool) -> np.ndarray:
    framed = np.pad(mask, 1, constant_values=outside)
    joined = join(join(framed[:-2, 1:-1], framed[2:, 1:-1]), join(framed[1:-1, :-2], framed[1:-1, 2:]))
    return join(joined, mask, out=joined)
