"""Wash out what its making left in a picture: afterwards a trace is about the same in all pictures.

A washing changes a picture and leaves its geometry, so masks still fit. Every picture is treated alike, whether it
shows the trace or not: a washing that only some pictures get would be a trace itself. What is random in a washing is
drawn from the picture's own pixels, so that one picture always gives the same result.

`intake.harmonise` applies washings to all slices of labelled cohorts.
"""

import io
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from lungsight.intake.forensics.marks import mark_pixels
from lungsight.intake.forensics.pixels import Pixels

JPEG_QUALITY = 30  # coarse enough to take the edges of older blocks along
JPEG_SHIFTS = (0, 2, 4, 6)  # pixels, along both axes
DETAIL = 160  # pixels of the longer side: finer detail is removed
DARK, BRIGHT = 60, 200  # grey levels of air or lung, and of tissue
LOWEST, HIGHEST = 20, 208  # where both ends are cut off, so that no window shows more of bone or air than another
LEVEL_STEP = 4  # grey levels between two that occur
MARK_RIM = 2  # pixels around a mark that go with it: its edges are smooth
MEDIAN = 3  # pixels
NOISE = 4.0  # standard deviation in grey levels


def rng_of(grey: np.ndarray) -> np.random.Generator:
    """Return a generator of random numbers whose seed is the picture."""
    return np.random.default_rng(zlib.crc32(np.ascontiguousarray(grey).tobytes()))


def rounded(values: np.ndarray) -> np.ndarray:
    """Round to grey levels, uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def wash_borders(grey: np.ndarray) -> np.ndarray:
    """Continue the picture's outermost lines over borders of one grey level."""
    pixels = Pixels(grey)
    inner = pixels.inner
    return np.pad(inner, (pixels.border_rows, pixels.border_columns), mode="edge") if inner.size else grey


def wash_letters(grey: np.ndarray) -> np.ndarray:
    """Give letters and other small bright marks outside the body the grey of the air there."""
    pixels = Pixels(grey)
    marks = mark_pixels(pixels)
    if marks is None or not marks.any():
        return grey
    (top, _), (left, _) = pixels.border_rows, pixels.border_columns
    rows, columns = np.nonzero(ndimage.binary_dilation(marks, iterations=MARK_RIM))
    washed = grey.copy()
    washed[rows + top, columns + left] = np.median(pixels.coarse[pixels.air])
    return washed


def wash_compression(grey: np.ndarray) -> np.ndarray:
    """Average re-encodings as JPEG whose blocks begin at different pixels: no grid of blocks is left.

    References
    ----------
    Nosratinia (2001), Enhancement of JPEG-compressed images by re-application of JPEG.
    """
    rows, columns = grey.shape
    total = np.zeros(grey.shape)
    for down in JPEG_SHIFTS:
        for along in JPEG_SHIFTS:
            padded = np.pad(grey, ((down, 0), (along, 0)), mode="edge")
            total += as_jpeg(padded)[down : down + rows, along : along + columns]
    return rounded(total / len(JPEG_SHIFTS) ** 2)


def as_jpeg(grey: np.ndarray) -> np.ndarray:
    """Encode as JPEG and decode again."""
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(buffer))


def wash_resolution(grey: np.ndarray, detail: int = DETAIL) -> np.ndarray:
    """Remove detail finer than a share of the picture's longer side, and with it sharpness and resampling.

    Parameters
    ----------
    grey : (rows, columns) uint8
    detail
        Pixels of the longer side to which the picture is shrunk, before it is enlarged again.
    """
    image = Image.fromarray(grey)
    scale = detail / max(grey.shape)
    if scale >= 1:
        return grey
    small = image.resize([max(1, round(scale * side)) for side in image.size], Image.Resampling.LANCZOS)
    return np.asarray(small.resize(image.size, Image.Resampling.BICUBIC))


def wash_grey_levels(grey: np.ndarray) -> np.ndarray:
    """Bring air and tissue to the same two grey levels, and leave the same few grey levels in every picture."""
    pixels = Pixels(grey)
    if pixels.threshold is None:
        return grey
    dark, bright = (
        float(np.median(part))
        for part in (pixels.coarse[pixels.coarse <= pixels.threshold], pixels.coarse[pixels.coarse > pixels.threshold])
    )
    slope = (BRIGHT - DARK) / (bright - dark)
    # A stretched histogram has gaps. Noise as wide as a step fills them.
    blurred = grey + rng_of(grey).uniform(-0.5, 0.5, grey.shape)
    stretched = DARK + slope * (blurred - dark)
    return rounded(LEVEL_STEP * np.rint(np.clip(stretched, LOWEST, HIGHEST) / LEVEL_STEP))


def wash_noise(grey: np.ndarray) -> np.ndarray:
    """Remove noise by a median filter, and add the same amount to every picture."""
    smooth = ndimage.median_filter(grey, MEDIAN, mode="nearest")
    return rounded(smooth + rng_of(grey).normal(0, NOISE, grey.shape))


@dataclass(frozen=True)
class Washing:
    """One washing.

    Attributes
    ----------
    wash : callable
        (rows, columns) uint8 → the same.
    traces : tuple of str
        The traces that it is meant for, of `traces.TRACES`.
    meaning : str
        What is the same in all pictures afterwards.
    """

    wash: Callable[[np.ndarray], np.ndarray]
    traces: tuple[str, ...]
    meaning: str


# In the order in which they are applied: frame and letters first, since they disturb the others; noise last, since each
# of the others changes it.
WASHINGS = {
    "borders": Washing(
        wash_borders,
        ("letterbox_rows", "letterbox_columns", "border", "border_grey"),
        "no border of one grey level",
    ),
    "letters": Washing(wash_letters, ("marks",), "no letters outside the body"),
    "compression": Washing(
        wash_compression,
        ("blockiness", "block_row", "block_column"),
        "averaged over 16 JPEG encodings of one quality, whose grids differ",
    ),
    "resolution": Washing(
        wash_resolution,
        ("resampling", "resampling_frequency", "edge_width"),
        f"no detail finer than 1/{DETAIL} of the longer side",
    ),
    "grey_levels": Washing(
        wash_grey_levels,
        ("grey_levels", "histogram_gaps", "clipped_low", "clipped_high"),
        f"air and tissue at the same grey, {1 + (HIGHEST - LOWEST) // LEVEL_STEP} grey levels, both ends cut off",
    ),
    "noise": Washing(wash_noise, ("noise_air", "noise_muscle"), "smoothed, then the same noise added"),
}


def washed(grey: np.ndarray, names: Iterable[str]) -> np.ndarray:
    """Apply some of WASHINGS, in their order. grey: (rows, columns) uint8, as is what is returned."""
    chosen = set(names)
    for name, washing in WASHINGS.items():
        if name in chosen:
            grey = washing.wash(grey)
    return grey
