"""Impose what a making leaves in a picture: the counterpart of each washing, strong enough to be seen in it.

Every imposition leaves the geometry, as washings do, and treats every picture alike. Together they make two versions of
one picture that differ in a trace alone, one without it and one with it.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from lungsight.intake.forensics.washing import as_jpeg, rng_of, rounded

BORDER = 1 / 16  # of the shorter side
LETTERS, LETTER_HEIGHT, LETTER_PLACE = "R 7", 1 / 12, 1 / 40  # the two are shares of the shorter side
SHARPENING, SHARPENED = 1.5, 1.0  # strength, and standard deviation in pixels, of the unsharp mask
BLACK, WHITE = 48, 184  # grey levels that become 0 and 255: a window that cuts both ends off
NOISE = 12.0  # standard deviation in grey levels


def impose_borders(grey: np.ndarray) -> np.ndarray:
    """Blacken a frame along the edge."""
    width = max(1, round(BORDER * min(grey.shape)))
    framed = np.zeros_like(grey)
    inside = tuple(slice(width, max(side - width, width)) for side in grey.shape)
    framed[inside] = grey[inside]
    return framed


def impose_letters(grey: np.ndarray) -> np.ndarray:
    """Write into the corner at the top left."""
    image = Image.fromarray(grey)
    shorter = min(grey.shape)
    font = ImageFont.load_default(size=max(6.0, LETTER_HEIGHT * shorter))
    place = max(1, round(LETTER_PLACE * shorter))
    ImageDraw.Draw(image).text((place, place), LETTERS, fill=255, font=font)
    return np.asarray(image)


def impose_compression(grey: np.ndarray) -> np.ndarray:
    """Encode once as JPEG of the quality that the washing averages over: a grid of blocks is left."""
    return as_jpeg(grey)


def impose_resolution(grey: np.ndarray) -> np.ndarray:
    """Sharpen by an unsharp mask."""
    values = grey.astype(np.float64)
    return rounded(values + SHARPENING * (values - ndimage.gaussian_filter(values, SHARPENED, mode="nearest")))


def impose_grey_levels(grey: np.ndarray) -> np.ndarray:
    """Show a narrower window: dark and bright ends are cut off, and the levels between them have gaps."""
    return rounded((grey.astype(np.float64) - BLACK) * 255 / (WHITE - BLACK))


def impose_noise(grey: np.ndarray) -> np.ndarray:
    """Add normal noise."""
    return rounded(grey + rng_of(grey).normal(0, NOISE, grey.shape))


# By the name of the washing that removes the same.
IMPOSITIONS = {
    "borders": impose_borders,
    "letters": impose_letters,
    "compression": impose_compression,
    "resolution": impose_resolution,
    "grey_levels": impose_grey_levels,
    "noise": impose_noise,
}
