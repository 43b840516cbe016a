"""Find the 8 × 8 grid of JPEG in pixels, whatever the file: it survives saving as PNG and dies at resampling.

References
----------
Fan & de Queiroz (2003), Identification of bitmap compression history: JPEG detection and quantizer estimation.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lungsight.intake.forensics.pixels import Pixels

SIDE = 8
CAP = 12  # grey levels: a larger step is an edge of the picture, not of a block
# The grid is found where lines at its phase exceed their neighbours by so many standard errors, and exceed those of the
# next best phase by so many: doubling a picture repeats every two pixels, and has four phases alike.
STANDS_OUT, ALONE = 5.0, 4.0
_MIN_SIDE = 4 * SIDE


class Grid(NamedTuple):
    """The grid along one axis.

    Attributes
    ----------
    ratio : float
        Mean absolute difference of neighbours across the strongest phase, over that of the other phases.
    phase : int
        0 … 7: the place of the first block that begins in the picture. 0: blocks begin at its first pixel.
    found : bool
        The phase stands out from the others.
    """

    ratio: float
    phase: int
    found: bool


def grid_of(differences: np.ndarray, axis: int, first: int) -> Grid | None:
    """Look for the grid along an axis.

    Parameters
    ----------
    differences
        Of neighbours along `axis`, integers.
    axis
        0 or 1.
    first
        Place in the whole picture of the first pixel.

    Returns
    -------
    Grid or None
        None where the picture is too small or too plain.
    """
    steps = np.minimum(np.abs(differences), CAP).mean(axis=1 - axis)
    if len(steps) < _MIN_SIDE:
        return None
    # A difference lies between two pixels; a block begins at the second one.
    phases = (np.arange(len(steps)) + first + 1) % SIDE
    means = np.bincount(phases, steps, SIDE) / np.bincount(phases, minlength=SIDE)
    excess = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
    heights = np.array([excess[phases[1:-1] == phase].mean() for phase in range(SIDE)])
    best = int(heights.argmax())
    others = np.delete(means, best).mean()
    if others <= 0:
        return None
    of_best = excess[phases[1:-1] == best]
    error = max(float(of_best.std(ddof=1) / np.sqrt(len(of_best))), 1e-6)
    found = heights[best] > STANDS_OUT * error and heights[best] - np.sort(heights)[-2] > ALONE * error
    return Grid(ratio=float(means[best] / others), phase=best, found=bool(found))


class Blocks(NamedTuple):
    """The grids down the rows and along the columns; None where an axis cannot be measured."""

    rows: Grid | None
    columns: Grid | None

    @property
    def found(self) -> bool:
        """Tell whether both axes show the grid."""
        return bool(self.rows and self.columns and self.rows.found and self.columns.found)


@lru_cache(maxsize=1)
def blocks_of(pixels: Pixels) -> Blocks:
    """Look for the grid along both axes of a picture, within its borders."""
    down, along = pixels.differences
    return Blocks(grid_of(down, 0, pixels.border_rows[0]), grid_of(along, 1, pixels.border_columns[0]))


def blockiness(pixels: Pixels) -> float | None:
    """Measure how much more neighbours differ across the strongest 8 × 8 grid than elsewhere; 1 where there is none."""
    blocks = blocks_of(pixels)
    return (blocks.rows.ratio + blocks.columns.ratio) / 2 if blocks.rows and blocks.columns else None


def block_row(pixels: Pixels) -> int | None:
    """Return the first row that begins a block; None where no grid is found."""
    blocks = blocks_of(pixels)
    return blocks.rows.phase if blocks.found and blocks.rows else None


def block_column(pixels: Pixels) -> int | None:
    """Return the first column that begins a block; None where no grid is found."""
    blocks = blocks_of(pixels)
    return blocks.columns.phase if blocks.found and blocks.columns else None
