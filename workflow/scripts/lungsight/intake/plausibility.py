"""Ask whether the values of a scan can be what they are taken for: Hounsfield units of a chest, or a windowed picture.

One histogram of the values that are in memory already answers it. In HU a body has soft tissue between −250 and
300, air far below, and next to nothing above 1,400. Values that were shifted, wrapped, windowed or subtracted have none
of that order. Padding, a constant in the corners and values no scanner measures, is taken out first.

A doubt is certain where no scan of a body looks like that; only these doubts refuse a case.
`benchmarks/plausibility.py` counts how many good scans fall.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from lungsight.errors import BadCase
from lungsight.intake.hounsfield import LEAST_SOFT, OPEN_AIR, SOFT, rescaled_otherwise

_LOW, _HIGH = -4096, 8192  # HU; the histogram's ends, which also count what lies beyond
PADDING = -1500.0  # HU; no measured voxel is below
AIR = -300  # HU; air in lung and gut is below
DARKEST, LEAST_OPEN_AIR = -750, 0.1  # HU, and of voxels: where so much is dark, some of it is air or aerated lung
FAT, MOST_FAT = (-200, -50), 0.1  # HU, and of voxels
SHIFTED_SOFT = (850, 1300)  # HU; where soft tissue lies after 1,024 was added once more
DENSE = 1400  # HU; cortical bone and metal alone are above
LEAST_SHARE = 0.001  # of voxels; below, a chest without air
MOST_DENSE, LEAST_SHIFTED = 0.05, 0.06
EMPTY = (-1900, -1500)  # HU; padding at −2000 that lost compression made noisy is below, measured air above
LEAST_ODD, MOST_PADDINGS = 0.02, 20  # of voxels, and values: noise around the patient has more
LEAST_OF_SOFT = 0.5  # of what is not air or lung; the rest is bone
DEEP, LEAST_DEEP = (-1990, -1550), 0.02  # HU that only shifted air and lung have: padding is a constant
BELOW_AIR, LEAST_BELOW_AIR = (-1400, -1060), 0.1  # HU that only shifted fat and water have, apart from noise in air
LEAST_SPAN = 300  # HU; air and soft tissue alone are 900 apart
FEW_LEVELS = 8  # a mask or a map of labels has no more
PICTURE_LEVELS = 4
DEEP_LEVELS, DEEP_DARK = 40, 64  # of the 256 grey levels that a 16-bit picture is scaled to
LEAST_GAP = 5  # grey levels; a few frequent ones so far apart are posterised, not a small part of the range
FEW_GREYS = 16
SMALLEST_PICTURE = 16  # pixels
LEAST_BODY, LEAST_LUNGS = 0.3, 0.15  # of the picture, of the body


class Doubt(NamedTuple):
    """What is odd about the values of a scan, in words, and whether that is certain."""

    words: str
    certain: bool = True


def settle(doubts: Sequence[Doubt], how: str) -> list[str]:
    """Return the notes that doubts leave under the config's `intake.plausibility`.

    Parameters
    ----------
    doubts : sequence of Doubt
    how : {"refuse", "note", "off"}

    Raises
    ------
    BadCase
        Under "refuse", for the first certain doubt.
    """
    if how == "off":
        return []
    if how == "refuse":
        for doubt in doubts:
            if doubt.certain:
                raise BadCase(f"{doubt.words} (intake.plausibility)")
    return [doubt.words for doubt in doubts]


class _Histogram:
    """Counts of whole values, and shares of the voxels in a range."""

    def __init__(self, values: np.ndarray) -> None:
        whole = np.clip(values, _LOW, _HIGH).astype(np.int32).ravel()
        self._counts = np.bincount(whole - _LOW, minlength=_HIGH - _LOW + 1)

    def share(self, low: float, high: float) -> float:
        """Return the share of the voxels whose values are in low … high."""
        first, last = (int(np.clip(end, _LOW, _HIGH)) - _LOW for end in (low, high))
        counts = self._counts[first : last + 1]
        return float(counts.sum() / max(1, self._counts.sum()))

    def without(self, value: float) -> None:
        """Take out one value."""
        self._counts[int(np.clip(value, _LOW, _HIGH)) - _LOW] = 0

    def without_padding(self) -> None:
        """Take out what is below every measured value."""
        self._counts[: int(PADDING) - _LOW + 1] = 0

    @property
    def levels(self) -> np.ndarray:
        """The whole values that occur."""
        return np.flatnonzero(self._counts) + _LOW


def _corner_constants(values: np.ndarray) -> np.ndarray:
    """Return the values that a quarter of the corners of the slices (n, rows, columns) share, the commonest first."""
    corners = values[:, [0, 0, -1, -1], [0, -1, 0, -1]].ravel()
    found, counts = np.unique(corners, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return found[order][counts[order] >= max(2, corners.size / 4)]


def doubts_about_hounsfield(samples: Sequence[np.ndarray]) -> list[Doubt]:
    """Say why values cannot be the Hounsfield units of a chest.

    Parameters
    ----------
    samples : sequence of arrays
        HU of the slices before the window; every fourth row and column is enough.

    Returns
    -------
    list of Doubt
        Empty for a scan of a body.
    """
    found = _doubt_of_all(np.stack(samples))
    if found and found.certain:
        return [found]
    if pairs := rescaled_otherwise(samples):
        return [
            Doubt(
                f"slice {pairs[0] + 1} is rescaled otherwise than its neighbour {pairs[0]}: RescaleIntercept"
                " (0028,1052) or RescaleSlope (0028,1053) of one of them does not fit"
            )
        ]
    return [found] if found else []


def _doubt_of_all(values: np.ndarray) -> Doubt | None:
    """Say why the values of all slices (n, rows, columns) together cannot be HU."""
    histogram = _Histogram(values)
    found = _few_values(histogram)
    if found:
        return found
    constants = _corner_constants(values)
    if len(constants) and constants[0] > DENSE and histogram.share(constants[0], constants[0]) > LEAST_SHARE:
        return Doubt(
            f"the corners hold {constants[0]:.0f} HU: padding that PixelPaddingValue (0028,0120) does not name"
        )
    padded_with_air = bool(((constants >= OPEN_AIR[0]) & (constants <= OPEN_AIR[1])).any())
    for constant in constants:
        histogram.without(constant)
    deep = histogram.share(*DEEP)
    histogram.without_padding()
    border = _edges(values.transpose(1, 2, 0)).ravel()
    border = border[(border > PADDING) & ~np.isin(border, constants)]
    edge = float(np.median(border)) if border.size else None
    return (
        _misplaced(histogram, edge, deep)
        or _without_air(histogram, border, padded_with_air)
        or _odd_places(values, constants, histogram)
    )


def _few_values(histogram: _Histogram) -> Doubt | None:
    """Recognise a constant, a mask, and a picture of 8 bits."""
    levels = histogram.levels
    if len(levels) == 1:
        return Doubt("all pixels have one value: no scan")
    if len(levels) <= FEW_LEVELS:
        kind = "two values: a binary mask" if len(levels) == 2 else f"{len(levels)} values: a mask or a label map"
        return Doubt(f"the pixels have only {kind}, not an image in HU")
    measured = levels[levels > PADDING]
    if len(measured) and measured[-1] - measured[0] <= LEAST_SPAN:
        kind = "a subtraction map" if measured[0] < 0 < measured[-1] else "a windowed 8-bit picture or a label map"
        return Doubt(
            f"the values span {measured[-1] - measured[0]}, less than from air to soft tissue: not HU, but {kind}"
        )
    return None


def _misplaced(histogram: _Histogram, edge: float | None, deep: float) -> Doubt | None:
    """Recognise values that lie elsewhere than HU: wrapped, negated, or shifted by an intercept.

    Parameters
    ----------
    edge : float or None
        The median along the edges of the slices, without padding.
    deep : float
        Share of values in `DEEP`.
    """
    if (dense := histogram.share(DENSE, _HIGH)) >= MOST_DENSE:
        return Doubt(
            f"{100 * dense:.0f} % of the values are above {DENSE} HU, more than bone and metal: air or water was"
            " wrapped to large numbers (BitsStored or PixelRepresentation does not fit), or the values are not HU"
        )
    shifted = histogram.share(*SHIFTED_SOFT)
    if edge is not None and edge >= SHIFTED_SOFT[0] - 50 and shifted >= LEAST_SHIFTED:
        return Doubt("the values are inverted: around the body lies about 1000, and air in HU is −1000")
    fat = histogram.share(*FAT)  # HU + 1024 has nothing there
    if histogram.share(_LOW, AIR) < LEAST_SHARE and shifted >= LEAST_SHIFTED and fat < MOST_FAT:
        return Doubt(
            "the values are HU + 1024, soft tissue lies near 1024 and air near 0: RescaleIntercept (0028,1052) is"
            " wrong or was not applied"
        )
    if histogram.share(*SOFT) >= LEAST_SOFT:
        return None
    if deep >= LEAST_DEEP or histogram.share(*BELOW_AIR) >= LEAST_BELOW_AIR:
        return Doubt(
            "no soft tissue (−250 to 300 HU), it lies near −1024: the values are 1024 below HU, as if"
            " RescaleIntercept was applied twice"
        )
    return Doubt("no soft tissue (−250 to 300 HU): a lung without the body around it, or not HU", certain=False)


def _odd_places(values: np.ndarray, constants: np.ndarray, histogram: _Histogram) -> Doubt | None:
    """Recognise values that have the order of HU, but lie at odd places: scaled, or padded with grey.

    Parameters
    ----------
    values : (n, rows, columns) array
    constants : array
        Of the corners.
    histogram : _Histogram
        Without padding.
    """
    empty = values[(values > EMPTY[0]) & (values <= EMPTY[1]) & ~np.isin(values, constants)]
    if empty.size > LEAST_ODD * values.size and len(np.unique(np.rint(empty))) > MOST_PADDINGS:
        return Doubt(
            f"much lies between {EMPTY[0]} and {EMPTY[1]} HU, below air and above padding: are the HU scaled?",
            certain=False,
        )
    if len(constants) and constants[0] > AIR and np.mean(values == constants[0]) > LEAST_ODD:
        return Doubt(
            f"the corners hold {constants[0]:.0f} HU, brighter than air: padding that PixelPaddingValue (0028,0120)"
            " does not name",
            certain=False,
        )
    if histogram.share(*SOFT) < LEAST_OF_SOFT * histogram.share(SOFT[0], DENSE):
        return Doubt(f"most of the body is brighter than soft tissue ({SOFT[1]} HU): are the HU scaled?", certain=False)
    return None


def _without_air(histogram: _Histogram, border: np.ndarray, padded_with_air: bool) -> Doubt | None:
    """Recognise a picture in which nothing is air, although a chest holds and is surrounded by it."""
    if padded_with_air:
        return None
    if (air := histogram.share(_LOW, AIR)) >= LEAST_SHARE:
        if air >= LEAST_OPEN_AIR and histogram.share(_LOW, DARKEST) < LEAST_SHARE:
            return Doubt(
                f"nothing is as dark as air or lung ({DARKEST} HU or less): are the HU shifted?", certain=False
            )
        return None
    if border.size and abs(np.median(border)) <= 15 and np.mean(np.abs(border) <= 60) > 0.8:
        return Doubt("no air, and about 0 around the body: a subtraction or virtual non-contrast map, not HU")
    return Doubt("no air in the image (below −300 HU): are these HU of a chest?", certain=False)


def doubts_about_unit_values(samples: Sequence[np.ndarray]) -> list[Doubt]:
    """Say why a volume in [0, 1] cannot be a windowed scan: it is a mask, or one value."""
    return _few_greys(len(np.unique(np.stack(samples))))


def _few_greys(levels: int) -> list[Doubt]:
    if levels == 1:
        return [Doubt("all pixels have one value: no scan")]
    if levels <= PICTURE_LEVELS:
        kind = "two values: a binary mask" if levels == 2 else f"{levels} values: a mask or a label map"
        return [Doubt(f"the pixels have only {kind}, not a windowed slice")]
    return []


def doubts_about_picture(grey: np.ndarray, bits: int = 8) -> list[Doubt]:
    """Say why a picture cannot be a windowed CT slice.

    Parameters
    ----------
    grey : (rows, columns) uint8
    bits : int
        16 if the picture was scaled down from 16 bits.
    """
    if min(grey.shape) < SMALLEST_PICTURE:
        return [Doubt(f"the picture has {grey.shape[0]} × {grey.shape[1]} pixels, too few for a slice")]
    counts = np.bincount(grey.ravel(), minlength=256)
    levels = int(np.count_nonzero(counts))
    tones = np.flatnonzero(counts >= grey.size * LEAST_SHARE)
    frequent = len(tones)
    near = frequent < DEEP_LEVELS and (frequent < 2 or np.median(np.diff(tones)) < LEAST_GAP)
    if bits > 8 and levels > 1 and (near or counts[DEEP_DARK:].sum() < 0.005 * grey.size):
        return [
            Doubt(
                "the picture has 16 bits and uses a small part of their range: not windowed grey, but stored values"
                " or HU with an offset; a cohort of format png wants windowed pictures"
            )
        ]
    if found := _few_greys(levels):
        return found
    if frequent < FEW_GREYS:
        return [Doubt(f"the picture has hardly more than {frequent} grey levels: is it windowed?", certain=False)]
    return [Doubt("the picture looks inverted: white around a dark body", certain=False)] if _inverted(grey) else []


def _inverted(grey: np.ndarray) -> bool:
    """Tell whether a picture shows white air around a dark body with white lungs in it.

    A picture that is cropped to the body also has a bright edge, but nothing as large is bright inside its lungs.
    """
    middle = (np.percentile(grey, 5) + np.percentile(grey, 95)) / 2
    if np.median(_edges(grey)) < middle:
        return False
    regions, number = ndimage.label(grey < middle)
    sizes = np.bincount(regions.ravel(), minlength=number + 1)
    sizes[np.append(_edges(regions), 0)] = 0
    body = regions == sizes.argmax()
    filled = ndimage.binary_fill_holes(body)
    if not sizes.any() or filled.mean() < LEAST_BODY:
        return False
    inner, _ = ndimage.label(filled & ~body)
    holes = np.bincount(inner.ravel())[1:] / filled.sum()
    return bool(holes.sum() > LEAST_LUNGS and holes.max() > LEAST_LUNGS / 3)


def _edges(picture: np.ndarray) -> np.ndarray:
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
