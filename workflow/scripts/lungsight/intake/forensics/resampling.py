"""Find traces of resampling: interpolation leaves a variance of the second difference that repeats.

References
----------
Gallagher (2005), Detection of linear and cubic interpolation in JPEG compressed images. Interpolation by a factor s
repeats at a frequency of 1/s; what a picture shows of it lies between 0 and 1/2 (aliasing).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.ndimage import median_filter

from lungsight.intake.forensics.blocks import SIDE, blocks_of
from lungsight.intake.forensics.pixels import Pixels

CAP = 16  # grey levels: a larger second difference is an edge of the picture
NYQUIST = 0.49  # a peak above is often a multiple of a slower one, which then counts
LOWEST = 0.06  # cycles per pixel; slower changes are anatomy
STANDS_OUT = 6.0  # a peak counts from so many times the median of the spectrum around it
_NEIGHBOURS = 31
_MIN_SIDE = 64


class Peak(NamedTuple):
    """The highest peak of a spectrum.

    Attributes
    ----------
    strength : float
        Over the median of the spectrum around it; about 3 to 4 where nothing repeats.
    frequency : float
        Cycles per pixel, 0 … 0.5.
    """

    strength: float
    frequency: float


def aliased_frequency(factor: float) -> float:
    """Compute at which frequency (cycles per pixel, 0 … 0.5) a resampling by a factor shows.

    The factor is pixels after over pixels before. Several factors share a frequency: 0.8, 4/3 and 4 have 0.25.
    """
    part = (1 / factor) % 1
    return min(part, 1 - part)


def spectrum_of(differences: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Compute the spectrum of the mean absolute second difference along an axis.

    Parameters
    ----------
    differences
        First differences along `axis`, integers.
    axis
        0 or 1.

    Returns
    -------
    frequencies, relative : (n,) arrays, or None
        Magnitudes over the median of those around them. None where the picture is too small or too plain.
    """
    second = np.minimum(np.abs(np.diff(differences, axis=axis)), CAP).mean(axis=1 - axis)
    if len(second) < _MIN_SIDE or not second.any():
        return None
    varied = (second - second.mean()) * np.hanning(len(second))
    magnitudes = np.abs(np.fft.rfft(varied))
    frequencies = np.fft.rfftfreq(len(second))
    around = median_filter(magnitudes, _NEIGHBOURS, mode="reflect")
    usable = (frequencies >= LOWEST) & (around > 0)
    return frequencies[usable], magnitudes[usable] / around[usable]


def peak_of(differences: np.ndarray, axis: int, jpeg_grid: bool) -> Peak | None:
    """Find the highest peak along an axis. With `jpeg_grid`, the frequencies of 8 × 8 blocks do not count."""
    spectrum = spectrum_of(differences, axis)
    if spectrum is None:
        return None
    frequencies, relative = spectrum
    if jpeg_grid:
        of_blocks = np.abs(frequencies * SIDE - np.rint(frequencies * SIDE)) < 2.5 * SIDE / differences.shape[axis]
        frequencies, relative = frequencies[~of_blocks], relative[~of_blocks]
    if not len(relative):
        return None
    slower = np.where(frequencies < NYQUIST, relative, 0)
    best = int(slower.argmax() if slower.max() >= STANDS_OUT else relative.argmax())
    return Peak(float(relative[best]), float(frequencies[best]))


@lru_cache(maxsize=1)
def resampling_of(pixels: Pixels) -> Peak | None:
    """Find the highest peak of both axes; None where neither can be measured."""
    jpeg_grid = blocks_of(pixels).found
    peaks = [peak_of(differences, axis, jpeg_grid) for axis, differences in enumerate(pixels.differences)]
    return max(filter(None, peaks), default=None)


def resampling(pixels: Pixels) -> float | None:
    """Measure how high the peak stands out."""
    peak = resampling_of(pixels)
    return peak.strength if peak else None


def resampling_frequency(pixels: Pixels) -> float | None:
    """Return the peak's frequency; None where it does not stand out."""
    peak = resampling_of(pixels)
    return peak.frequency if peak and peak.strength >= STANDS_OUT else None
