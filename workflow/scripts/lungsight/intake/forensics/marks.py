"""Count what is drawn outside the body: letters, numbers, arrows, sides."""

import numpy as np
from scipy import ndimage

from lungsight.intake.forensics.pixels import Pixels

MIN_SIDE, MAX_SHARE = 4, 0.12  # pixels of a mark's height; share of the frame's longer side that a mark may have
MIN_CONTRAST = 64  # grey levels above the air
MIN_OUTSIDE = 0.01  # share of the frame


def mark_pixels(pixels: Pixels) -> np.ndarray | None:
    """Find the pixels of small bright parts outside the body. A couch or an arm is too large.

    Returns
    -------
    numpy.ndarray or None
        Mask of the picture within its borders; None where nothing of the frame lies outside the body.
    """
    labelled = _labelled_marks(pixels)
    return None if labelled is None else np.isin(labelled[0], labelled[1])


def marks_outside(pixels: Pixels) -> int | None:
    """Count the marks of `mark_pixels`: about one for each letter.

    Returns
    -------
    int or None
        None where nothing of the frame lies outside the body.
    """
    labelled = _labelled_marks(pixels)
    return None if labelled is None else len(labelled[1])


def _labelled_marks(pixels: Pixels) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the bright parts outside the body, numbered, (rows, columns), and the numbers of those that are marks."""
    if not pixels.body.any() or pixels.air.mean() < MIN_OUTSIDE:
        return None
    image, step = pixels.inner, pixels.step
    outside = np.zeros(image.shape, bool)
    found = np.repeat(np.repeat(pixels.air, step, axis=0), step, axis=1)[: image.shape[0], : image.shape[1]]
    outside[: found.shape[0], : found.shape[1]] = found
    background = np.median(pixels.coarse[pixels.air])
    labels, _ = ndimage.label(outside & (image > background + MIN_CONTRAST), structure=np.ones((3, 3)))
    largest = MAX_SHARE * max(image.shape)
    sizes = [tuple(side.stop - side.start for side in box) for box in ndimage.find_objects(labels)]
    small = [height >= MIN_SIDE and max(height, width) <= largest for height, width in sizes]
    return labels, 1 + np.flatnonzero(small)
