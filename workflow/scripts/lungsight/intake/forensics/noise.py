"""Measure noise in air and in soft tissue.

References
----------
Immerkær (1996), Fast noise variance estimation: the mask, which is 0 on planes. The median makes it robust to edges.
"""

import numpy as np

from lungsight.intake.forensics.pixels import Pixels

_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
_GAIN = 6.0  # standard deviation of the mask's answer to noise of 1
_MAD = 1.4826  # standard deviation of a normal variable over its median absolute deviation
MIN_SAMPLES, ENOUGH = 200, 2000  # places; of more, evenly spaced ones are measured
MAX_CLIPPED = 0.05  # share of the samples at 0 or 255; noise that is cut off cannot be measured


def noise_at(image: np.ndarray, places: np.ndarray, step: int) -> float | None:
    """Measure the standard deviation of noise around places of a coarse grid.

    Parameters
    ----------
    image
        (rows, columns) uint8.
    places
        Mask of the coarse grid.
    step
        Pixels per coarse pixel.

    Returns
    -------
    float or None
        In grey levels. None where there are too few places, or too many are clipped.
    """
    rows, columns = (index * step + step // 2 for index in np.nonzero(places))
    inside = (rows > 0) & (columns > 0) & (rows < image.shape[0] - 1) & (columns < image.shape[1] - 1)
    every = max(1, int(inside.sum()) // ENOUGH)
    rows, columns = rows[inside][::every], columns[inside][::every]
    if len(rows) < MIN_SAMPLES:
        return None
    values = image[rows, columns]
    if np.mean((values == 0) | (values == 255)) > MAX_CLIPPED:
        return None
    answers = np.zeros(len(rows))
    for row in range(3):
        for column in range(3):
            answers += _MASK[row, column] * image[rows + row - 1, columns + column - 1].astype(np.int16)
    return _MAD * grouped_median(np.abs(answers)) / _GAIN


def grouped_median(values: np.ndarray) -> float:
    """Compute the median of whole numbers ≥ 0 that stand for a range of ± ½ each, so that it has no steps."""
    middle = np.floor(np.median(values))
    below, at = np.mean(values < middle), np.mean(values == middle)
    low, width = (middle - 0.5, 1.0) if middle else (0.0, 0.5)
    return float(low + width * (0.5 - below) / at) if at else float(np.median(values))


def noise_in_air(pixels: Pixels) -> float | None:
    """Measure noise outside the body."""
    return noise_at(pixels.inner, pixels.air, pixels.step)


def noise_in_muscle(pixels: Pixels) -> float | None:
    """Measure noise in soft tissue, away from its edges."""
    return noise_at(pixels.inner, pixels.soft_tissue, pixels.step)
