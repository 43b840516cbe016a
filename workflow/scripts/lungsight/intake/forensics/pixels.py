"""Find in a picture what its traces are measured on: the frame without borders, body, air, soft tissue and lungs.

Regions are found on a coarse grid, which is fast and does not mind noise. Traces themselves are measured on all pixels.
"""

from functools import cached_property

import numpy as np
from PIL import Image
from scipy import ndimage

from lungsight.components import largest_component

FLAT = 3  # grey levels within which a line counts as of one grey: JPEG leaves a few in a letterbox
COARSE_SIDE = 128  # pixels of the coarse grid's longer side, at most
LINES = 200  # that are enough to measure differences
MIN_BODY = 0.05  # share of the frame; less is no chest
MIN_LUNG = 0.01
WHITE = 250  # grey level from which on noise may be cut off
AIR_RIM = 2  # coarse pixels around the body that are no air: its edge is smooth


def flat_lines(image: np.ndarray, axis: int) -> tuple[int, int]:
    """Count the lines at both ends of an axis that hold one grey level.

    Parameters
    ----------
    image
        (rows, columns) uint8.
    axis
        0: rows at the top and at the bottom. 1: columns at the left and at the right.

    Returns
    -------
    first, last : int
        Both are 0 where every line is flat: a blank picture has no border.
    """
    flat = np.ptp(image, axis=1 - axis) <= FLAT
    if flat.all():
        return 0, 0
    return int(np.argmin(flat)), int(np.argmin(flat[::-1]))


def otsu_threshold(image: np.ndarray) -> float | None:
    """Compute the grey level that parts an 8-bit picture into two classes (Otsu 1979); None for one level alone."""
    counts = np.bincount(image.ravel(), minlength=256).astype(np.float64)
    below, above = counts.cumsum()[:-1], counts[::-1].cumsum()[::-1][1:]
    weighted = counts * np.arange(256)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = weighted.cumsum()[:-1] / below - weighted[::-1].cumsum()[::-1][1:] / above
        between = np.nan_to_num(below * above * means**2, nan=-1.0)
    if between.max() <= 0:
        return None
    return float(np.flatnonzero(between == between.max()).mean())


class Pixels:
    """An 8-bit picture, and what is found in it on demand.

    Attributes
    ----------
    grey : (rows, columns) uint8
    """

    def __init__(self, grey: np.ndarray) -> None:
        self.grey = grey

    @cached_property
    def border_rows(self) -> tuple[int, int]:
        """Rows of one grey level at the top and at the bottom."""
        return flat_lines(self.grey, 0)

    @cached_property
    def border_columns(self) -> tuple[int, int]:
        """Columns of one grey level at the left and at the right."""
        return flat_lines(self.grey, 1)

    @cached_property
    def inner(self) -> np.ndarray:
        """The picture within its borders."""
        (top, bottom), (left, right) = self.border_rows, self.border_columns
        rows, columns = self.grey.shape
        return self.grey[top : rows - bottom, left : columns - right]

    @cached_property
    def step(self) -> int:
        """Pixels of the picture per coarse pixel."""
        return max(1, -(-max(self.inner.shape) // COARSE_SIDE))

    @cached_property
    def coarse(self) -> np.ndarray:
        """Every `step`-th pixel of the inner picture, from the middle of the first step on."""
        top, left = (min(self.step // 2, side - 1) for side in self.inner.shape)  # a line has one pixel across
        return self.inner[top :: self.step, left :: self.step]

    @cached_property
    def threshold(self) -> float | None:
        """The grey level between air or lung and tissue."""
        return otsu_threshold(self.coarse) if self.coarse.size else None

    @cached_property
    def tissue(self) -> np.ndarray:
        """Coarse mask of what is brighter than the threshold, within the body."""
        return (self.coarse > self.threshold) & self.body if self.threshold is not None else self.body

    @cached_property
    def body(self) -> np.ndarray:
        """Coarse mask of the largest bright part with its holes filled; empty where there is none."""
        nothing = np.zeros(self.coarse.shape, bool)
        if self.threshold is None:
            return nothing
        body = ndimage.binary_fill_holes(largest_component(self.coarse > self.threshold))
        assert body is not None
        return body if body.mean() >= MIN_BODY else nothing

    @cached_property
    def lungs(self) -> np.ndarray:
        """Coarse mask of the large dark parts within the body."""
        labels, _ = ndimage.label(self.body & ~self.tissue)
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        return np.isin(labels, np.flatnonzero(sizes >= MIN_LUNG * labels.size))

    @cached_property
    def air(self) -> np.ndarray:
        """Coarse mask of the air around the body, up to a rim; empty where no corner of the frame shows air.

        In a picture that is cut out of the chest, what lies beside the body is lung.
        """
        if not self.body.any():
            return self.body
        labels, _ = ndimage.label(~ndimage.binary_dilation(self.body, iterations=AIR_RIM))
        corners = labels[[0, 0, -1, -1], [0, -1, 0, -1]]
        return np.isin(labels, corners[corners > 0])

    @cached_property
    def soft_tissue(self) -> np.ndarray:
        """Coarse mask of tissue without its edges and without bone; empty where the window makes most of it white."""
        tissue = ndimage.binary_erosion(self.tissue)
        grey = tissue & (self.coarse < WHITE)
        return grey if 2 * grey.sum() > tissue.sum() else np.zeros_like(tissue)

    @cached_property
    def levels(self) -> np.ndarray:
        """Number of pixels of each grey level, (256,), of the whole picture."""
        return np.asarray(Image.fromarray(self.grey).histogram())

    @cached_property
    def differences(self) -> tuple[np.ndarray, np.ndarray]:
        """Differences of neighbours of the inner picture, down the rows and along the columns, int16.

        Of large pictures every few columns and rows give enough.
        """
        rows, columns = (max(1, side // LINES) for side in self.inner.shape)
        down, along = self.inner[:, ::columns].astype(np.int16), self.inner[::rows].astype(np.int16)
        return down[1:] - down[:-1], along[:, 1:] - along[:, :-1]
