"""Mean greys of the parts of a slice, by which a part is filled that is taken out."""

import numpy as np


def mean_level(pixels: np.ndarray) -> float:
    """Return the mean of some pixels; 0 of none."""
    return float(pixels.mean()) if pixels.size else 0.0


def body_level(background: np.ndarray) -> float:
    """Give the grey of the body around the lung: the mean of the background pixels that are brighter than their mean.

    The mean of air and body together would be close to the lung's own grey, and the lung would vanish in it.
    """
    brighter = background[background > mean_level(background)]
    return mean_level(brighter if brighter.size else background)
