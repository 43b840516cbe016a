"""Measure how much there is to see in the lung of a slice: the entropy of its grey levels."""

import numpy as np

from lungsight.evaluation.intervals import FloatArray
from lungsight.training.sharded_array import Rows

GREY_LEVELS = 256


def grey_entropy(image: np.ndarray, mask: np.ndarray) -> float:
    """Compute the Shannon entropy in bits of the 8-bit grey levels inside a mask, −Σ p log₂ p.

    Parameters
    ----------
    image
        (rows, columns) uint8.
    mask
        Of the same shape, 0/1 or bool.

    Returns
    -------
    From 0, where all pixels are alike, to 8; NaN for an empty mask.
    """
    counts = np.bincount(image[mask.astype(bool)], minlength=GREY_LEVELS)
    if not counts.any():
        return float("nan")
    shares = counts[counts > 0] / counts.sum()
    return float(np.abs(np.sum(shares * np.log2(shares))))


def lung_entropies(images: Rows, masks: Rows, rows: np.ndarray, accepted: np.ndarray) -> FloatArray:
    """Compute the entropy in the lung of slices, (n,); NaN where there is no accepted mask.

    Parameters
    ----------
    images, masks
        (N, size, size) uint8, which may be memory-mapped.
    rows
        Row of each slice in them, (n,) int.
    accepted
        (n,) bool, whether the slice has a mask that passed quality control.
    """
    return np.array(
        [grey_entropy(images[row], masks[row]) if taken else np.nan for row, taken in zip(rows, accepted, strict=True)],
        dtype=np.float64,
    )
