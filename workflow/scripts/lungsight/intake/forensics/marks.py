"""Count what is drawn outside the body: letters, numbers, arrows, sides."""

import numpy as np
from scipy import ndimage

from lungsight.intake.forensics.pixels import Pixels

MIN_SIDE, MAX_SHARE = 4, 0.12  # pixels of a mark's height; share of the frame's longer side that a mark may have
MIN_CONTRAST = 64  # grey levels above the air
MIN_OUTSIDE = 0.01  # share of the frame


def marks_outside(pixels: Pixels) -> int | None:
    """Count small bright parts outside the body: about one for each letter. A couch or an arm is too large.

    Returns
    -------
    int or None
        None where nothing of the frame lies outside the body.
    """
    if not pixels.body.any() or pixels.air.mean() < MIN_OUTSIDE:
        return None
    image, step = pixels.inner, pixels.step
    outside = np.repeat(np.repeat(pixels.air, step, axis=0), step, axis=1)[: image.shape[0], : image.shape[1]]
    background = np.median(pixels.coarse[pixels.air])
    bright = image[: outside.shape[0], : outside.shape[1]] > background + MIN_CONTRAST
    bright &= outside
    if not bright.any():
        return 0
    labels, _ = ndimage.label(bright, structure=np.ones((3, 3)))
    largest = MAX_SHARE * max(image.shape)
    sizes = [tuple(side.stop - side.start for side in box) for box in ndimage.find_objects(labels)]
    return sum(height >= MIN_SIDE and max(height, width) <= largest for height, width in sizes)
