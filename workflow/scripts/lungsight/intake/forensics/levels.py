"""Measure the grey levels of a picture: a window that is baked in, gamma, or 8 bits made from fewer."""

import numpy as np

from lungsight.intake.forensics.pixels import Pixels


def grey_levels(pixels: Pixels) -> int:
    """Count the grey levels that occur."""
    return int(np.count_nonzero(pixels.levels))


def histogram_gaps(pixels: Pixels) -> float | None:
    """Measure the share of levels between the lowest and the highest that do not occur; None for one level alone."""
    used = np.flatnonzero(pixels.levels)
    return float(1 - len(used) / (used[-1] - used[0] + 1)) if len(used) > 1 else None


def clipped_low(pixels: Pixels) -> float:
    """Measure the share of pixels at 0, within the borders."""
    return float((pixels.inner == 0).mean())


def clipped_high(pixels: Pixels) -> float:
    """Measure the share of pixels at 255, within the borders."""
    return float((pixels.inner == 255).mean())
