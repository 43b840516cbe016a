"""Rescale stored CT values to Hounsfield units and check what the HU of a series look like."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy import ndimage

from lungsight.errors import BadCase

SAMPLING = 4  # every fourth row and column is enough for percentiles and jumps
MOST = 32768.0  # HU; scanners with an extended range end at about 30,700
LEAST = -65536.0  # HU; padding may be the smallest value of 16 bits, and the intercept leads below that
AIR, PADDING = -900.0, -2000.0  # HU; padding that is as dark as air needs no change
JUMP = 50.0  # HU; noise and anatomy move the median difference of neighbouring slices by a few HU
SOFT = (-250, 300)  # HU; fat, water, muscle, blood with contrast
OPEN_AIR = (-1100, -900)  # HU; air around the patient
LEAST_SOFT = 0.01  # of the pixels of a slice; below, it shows no body
BRIGHTER = 500.0  # HU; by so much the most of the soft tissue never brightens from one slice to the next
OFFSET = (950.0, 1100.0)  # HU; an intercept that is applied twice or not at all
MOST_AIR = 0.8  # of its pixels; air around the patient moves little from slice to slice


def check_range(values: np.ndarray, slope: float = 1.0, intercept: float = 0.0, where: str = "") -> None:
    """Raise BadCase unless slope × values + intercept are HU that a scanner can write: finite, in LEAST … MOST.

    HU beyond that come from padding of −2000 that was read without its sign, or from a wrong rescale.

    Parameters
    ----------
    values : array
        Stored values, or HU with the default slope and intercept.
    slope, intercept : float
    where : str
        Names the file in the message.
    """
    ends = [float(end) * slope + intercept for end in (values.min(), values.max())]
    if not (min(ends) >= LEAST and max(ends) <= MOST):
        raise BadCase(
            f"HU from {min(ends):.4g} to {max(ends):.4g}: RescaleSlope (0028,1053), RescaleIntercept (0028,1052) or"
            f" PixelRepresentation (0028,0103) does not fit the pixels {where}".rstrip()
        )


def to_hounsfield(stored: np.ndarray, slope: float, intercept: float, where: str = "") -> np.ndarray:
    """Rescale stored CT values to Hounsfield units.

    Parameters
    ----------
    stored : (rows, columns) integers
    slope, intercept : float
        RescaleSlope and RescaleIntercept of this slice.
    where : str
        Names the file in a message.

    Returns
    -------
    (rows, columns) float32
        HU.

    Raises
    ------
    BadCase
        If the slope is 0, and as `check_range` does.

    References
    ----------
    DICOM PS3.3 C.11.1.1.2.
    """
    if slope == 0:
        raise BadCase("RescaleSlope (0028,1053) is 0")
    check_range(stored, slope, intercept, where)
    hounsfield = stored.astype(np.float32)
    if slope != 1:
        hounsfield *= np.float32(slope)
    hounsfield += np.float32(intercept)
    return hounsfield


def lay_padding(hounsfield: np.ndarray, stored: np.ndarray, padding: tuple[int, int]) -> None:
    """Give padding that reads brighter than air the value of padding, in place.

    Padding is what PixelPaddingValue marks in at least two corners of a slice, and what is connected with that. A value
    that marks nothing there is taken for a wrong header: the pixels stay.

    Parameters
    ----------
    hounsfield, stored : (rows, columns) arrays
    padding : (int, int)
        Least and largest stored value of padding.
    """
    marked = (stored >= padding[0]) & (stored <= padding[1])
    corners = [(row, column) for row in (0, -1) for column in (0, -1) if marked[row, column]]
    if len(corners) < 2 or max(hounsfield[corner] for corner in corners) <= AIR:
        return
    regions, _ = ndimage.label(marked)
    hounsfield[np.isin(regions, [regions[corner] for corner in corners])] = PADDING


def sampled(hounsfield: np.ndarray) -> np.ndarray:
    """Copy every fourth row and column of a slice (rows, columns)."""
    return hounsfield[::SAMPLING, ::SAMPLING].copy()


def percentiles(samples: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """Compute the 1st, 50th and 99th percentile of the sampled HU of all slices, before any window."""
    p01, p50, p99 = np.percentile(np.stack(samples), [1, 50, 99])
    return float(p01), float(p50), float(p99)


def jumps(samples: Sequence[np.ndarray]) -> list[int]:
    """Find slices whose HU are shifted as a whole against the slice before: one intercept is wrong.

    Air, table and most of the body hardly differ between neighbouring slices. So the median of the pixel-wise
    difference is near 0 unless one of the two is shifted.

    Parameters
    ----------
    samples : sequence of arrays
        Sampled HU of the slices in order.

    Returns
    -------
    list of int
        Indices of the shifted slices, from 1.
    """
    steps = [abs(np.median(after - before)) for before, after in pairwise(samples)]
    return [k for k, step in enumerate(steps, start=1) if step > JUMP]


def rescaled_otherwise(samples: Sequence[np.ndarray]) -> list[int]:
    """Find neighbouring slices of which one was rescaled by another slope or intercept than the other.

    Where one shows soft tissue, most of the other does too, or lung, or air: all darker. If most of it is brighter by
    500 HU, or both it and the air are darker by about 1024, only the rescale differs.

    Parameters
    ----------
    samples : sequence of arrays
        Sampled HU of the slices in order.

    Returns
    -------
    list of int
        Indices of the second slice of each such pair, from 1.
    """
    return [
        index
        for index, (first, second) in enumerate(pairwise(samples), start=1)
        if _is_shifted(second, first) or _is_shifted(first, second)
    ]


def _is_shifted(plane: np.ndarray, right: np.ndarray) -> bool:
    """Tell whether a slice is shifted against one that shows soft tissue."""
    soft, air = ((right >= low) & (right <= high) for low, high in (SOFT, OPEN_AIR))
    if soft.mean() < LEAST_SOFT:
        return False
    if np.median((plane - right)[soft]) > BRIGHTER:
        return True
    fallen = (right - plane > OFFSET[0]) & (right - plane < OFFSET[1])
    return bool(air.mean() >= LEAST_SOFT and fallen[soft].mean() > 0.5 and fallen[air].mean() > MOST_AIR)
