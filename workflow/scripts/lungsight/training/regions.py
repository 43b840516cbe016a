"""Which part of a slice a network is shown: the whole image, or a box that follows from the lung mask.

A region of the config is an entry of REGIONS and a word under `training.region` in the config's schema.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

WHOLE_IMAGE = "image"
MARGIN = 0.05  # around the lung, of the box's longer side
SMALLEST = 0.25  # side of a box, of the image's longer side: what is smaller is a fragment of a mask that failed


class Box(NamedTuple):
    """Rows top … bottom − 1 and columns left … right − 1 of an image."""

    top: int
    bottom: int
    left: int
    right: int

    def crop(self, image: np.ndarray) -> np.ndarray:
        """The pixels of the box, of an image (rows, columns)."""
        return image[self.top : self.bottom, self.left : self.right]

    def extent(self, shape: tuple[int, int]) -> tuple[float, float]:
        """Height and width of the box as shares of an image of this shape."""
        return (self.bottom - self.top) / shape[0], (self.right - self.left) / shape[1]


def whole_image(mask: np.ndarray) -> Box:
    """All of it."""
    return Box(0, mask.shape[0], 0, mask.shape[1])


def _span(low: int, high: int, length: int, available: int) -> tuple[int, int]:
    """A span of `length` about low … high, moved inwards where it leaves 0 … available, and at most as long as that."""
    length = min(length, available)
    start = round((low + high - length) / 2)
    start = min(max(start, 0), available - length)
    return start, start + length


def lung_box(mask: np.ndarray) -> Box:
    """The smallest square about the lung with a margin, mask (rows, columns) bool.

    It is square so that the lung keeps its proportions, unless the image itself is narrower. It is all of the image
    without a lung, and where it would be smaller than SMALLEST.
    """
    if not mask.any():
        return whole_image(mask)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    ends = [(int(found[0]), int(found[-1]) + 1) for found in (rows, columns)]
    side = round(max(high - low for low, high in ends) * (1 + 2 * MARGIN))
    if side < SMALLEST * max(mask.shape):
        return whole_image(mask)
    vertical, horizontal = (
        _span(low, high, side, available) for (low, high), available in zip(ends, mask.shape, strict=True)
    )
    return Box(*vertical, *horizontal)


REGIONS: dict[str, Callable[[np.ndarray], Box]] = {WHOLE_IMAGE: whole_image, "lung_box": lung_box}
