"""Choose the part of a slice that the network sees: the whole image, or a box around the lung.

To add a region, add an entry to REGIONS, and its word under `training.region` in the config's schema. A region takes
the lung mask of a slice (rows, columns) bool, and returns a `Box`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

WHOLE_IMAGE = "image"
MARGIN = 0.05  # on each side of the lung, as a share of its longer side
# Smallest length of a box, as a share of the image's longer side. A smaller lung is a fragment of a failed mask.
SMALLEST = 0.25


class Box(NamedTuple):
    """Rows top … bottom − 1 and columns left … right − 1 of an image."""

    top: int
    bottom: int
    left: int
    right: int

    def crop(self, image: np.ndarray) -> np.ndarray:
        """Return the pixels of the box from an image (rows, columns)."""
        return image[self.top : self.bottom, self.left : self.right]

    def extent(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """Return height and width of the box as shares of an image of this shape."""
        return (self.bottom - self.top) / shape[0], (self.right - self.left) / shape[1]


def whole_image(mask: np.ndarray) -> Box:
    """Return the box of the whole image."""
    return Box(0, mask.shape[0], 0, mask.shape[1])


def _span(low: int, high: int, length: int, available: int) -> tuple[int, int]:
    """Return a span of `length` centred on low … high, shortened and moved to fit into 0 … available."""
    length = min(length, available)
    start = round((low + high - length) / 2)
    start = min(max(start, 0), available - length)
    return start, start + length


def bounding_box(mask: np.ndarray) -> Box:
    """Return the smallest box that holds a mask (rows, columns) bool with at least one pixel."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def lung_box(mask: np.ndarray) -> Box:
    """Return the smallest square around the lung with a margin.

    The square keeps the proportions of the lung; it is cut off where the image is narrower. The box is the whole image
    where the mask is empty, and where the square would be smaller than SMALLEST.
    """
    if not mask.any():
        return whole_image(mask)
    lung = bounding_box(mask)
    length = round(max(lung.bottom - lung.top, lung.right - lung.left) * (1 + 2 * MARGIN))
    if length < SMALLEST * max(mask.shape):
        return whole_image(mask)
    rows, columns = mask.shape
    return Box(*_span(lung.top, lung.bottom, length, rows), *_span(lung.left, lung.right, length, columns))


REGIONS: dict[str, Callable[[np.ndarray], Box]] = {WHOLE_IMAGE: whole_image, "lung_box": lung_box}
