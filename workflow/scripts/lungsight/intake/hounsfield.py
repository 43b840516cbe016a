"""Stored CT values → Hounsfield units, and what HU say about a series."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lungsight.errors import BadCase

SAMPLING = 4  # every fourth row and column is enough for percentiles and jumps
JUMP = 50.0  # HU; noise and anatomy move the median difference of neighbouring slices by a few HU


def to_hounsfield(stored: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """Rescale stored CT values to Hounsfield units.

    stored: (rows, columns) integers as stored. Returns float32 HU of the same shape.
    Raises BadCase if slope is zero. Source: DICOM PS3.3 C.11.1.1.2.
    """
    if slope == 0:
        raise BadCase("RescaleSlope (0028,1053) is 0")
    hounsfield = stored.astype(np.float32)
    if slope != 1:
        hounsfield *= np.float32(slope)
    hounsfield += np.float32(intercept)
    return hounsfield


def sampled(hounsfield: np.ndarray) -> np.ndarray:
    """Every fourth row and column of a slice: (rows, columns) → a copy of a sixteenth of it."""
    return hounsfield[::SAMPLING, ::SAMPLING].copy()


def percentiles(samples: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """1st, 50th and 99th percentile of the sampled HU of all slices, before any window."""
    p01, p50, p99 = np.percentile(np.stack(samples), [1, 50, 99])
    return float(p01), float(p50), float(p99)


def jumps(samples: Sequence[np.ndarray]) -> list[int]:
    """Indices of slices whose HU are shifted as a whole against the slice before (an intercept out of line).

    samples: sampled HU of the slices in order. Air, table and most of the body hardly differ from one slice to the
    next, so the median of the pixel-wise difference is near 0 unless one of them is shifted.
    """
    steps = [abs(np.median(after - before)) for before, after in pairwise(samples)]
    return [k for k, step in enumerate(steps, start=1) if step > JUMP]
