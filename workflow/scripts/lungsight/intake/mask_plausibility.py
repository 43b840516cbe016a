"""Ask whether a mask can be that of lungs: by its extent, its gaps, and the HU below it.

The limits are far from what real lungs have: `docs/intake.md` says on what they were tried. Consolidated lungs hold
soft tissue. So a mask is refused only where hardly any of it is aerated, and aerated tissue lies elsewhere in the body.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from scipy import ndimage

from lungsight.errors import BadCase
from lungsight.intake.plausibility import Doubt
from lungsight.intake.volume import Volume, Window

MOST_OF_IMAGE = 0.5  # share of the image; the body around lungs and lesions is larger
AERATED = (-985.0, -300.0)  # HU; below lies the air around the body, above soft tissue and fluid
MOST_OF_TISSUE = 0.5  # share of all soft tissue of the image; white lungs hold less of it than the body around them
MOST_LABELS = 16  # five lobes, lesions, airways; a mask of all organs or a picture has more
MOSTLY = 0.8  # share of aerated voxels below which a mask gets a note
OF_BODY = 0.5  # share below which it may be the whole body; of that, lungs are less than half
HARDLY = 0.1  # share below which it is no lung, if lungs lie elsewhere
ELSEWHERE = 0.25  # of a mask; as much aerated tissue beside it is a lung that it misses; the windpipe is less
LUNG_LABELS = 6  # five lobes and a lesion
BETTER = 0.1  # more of a mask is aerated if it is turned over; real lungs lose 0.2 or more
SMALL_LABEL = 0.05  # share of a mask; a label below it gets a note, not a refusal
ONE_SIDE = 0.02  # share of a mask on one side of the body, at most, if it shows only the lung of the other side
TOUCHED = 0.05  # share of an aerated part from which a mask means it; edges of a mask touch bowel and windpipe
COVERED = 0.75  # share of a lung below which a mask may have lost some; the windpipe is up to 0.12 of a side
_WAYS = ("left and right", "front and back", "head and feet")  # by axis of a canonical volume
SUDDEN = 0.25  # of the median area of a lung; a lung that ends is smaller in its last slice


def check_mask(volume: Volume, window: Window | None, labels: np.ndarray) -> list[Doubt]:
    """Ask everything about a mask of both lungs.

    Parameters
    ----------
    volume : Volume
    window : Window or None
        Of the volume. Without it, HU are not looked at.
    labels : (i, j, k) integers
        0 is no lung.

    Returns
    -------
    list of Doubt
        About the HU below the mask.

    Raises
    ------
    BadCase
        If it marks more than half of the image and is not aerated, or has gaps.
    """
    mask = labels > 0
    aerated = None if window is None else aerated_voxels(volume, window)
    if aerated is None or aerated[mask].mean() < MOSTLY:  # lungs fill a picture that was cropped to them
        check_extent(mask, "lung")
    check_gaps(mask, "lung mask")
    check_halves(mask)
    return [] if window is None or aerated is None else doubts_about_aeration(volume, window, labels, aerated)


def check_extent(mask: np.ndarray, of: str) -> None:
    """Raise BadCase for a mask that marks more than half of the image. of: "lesions", say."""
    if mask.mean() > MOST_OF_IMAGE:
        raise BadCase(
            f"the mask marks more than half of the image: its background is not 0 or it is inverted, or it has labels"
            f" that are no {of}"
        )


def gaps(areas: np.ndarray) -> np.ndarray:
    """Find the slices without area between the first and the last one that have some.

    Parameters
    ----------
    areas : (k,) array

    Returns
    -------
    array of int
        Indices.
    """
    filled = np.flatnonzero(areas)
    between = np.arange(filled[0], filled[-1]) if len(filled) else filled
    return between[areas[between] == 0]


def check_gaps(mask: np.ndarray, of: str) -> None:
    """Raise BadCase for a mask (i, j, k) of one lung or of both that has gaps. of: "left lung", say."""
    if empty := len(gaps(mask.sum(axis=(0, 1)))):
        raise BadCase(
            f"the {of} is empty on {empty} of the slices between its first and its last: every slice of the image needs"
            " its contour or mask (drawn on every other slice, or on a series of thicker slices?)"
        )


def check_halves(mask: np.ndarray) -> None:
    """Raise BadCase if a mask (i, j, k) of both lungs loses one of them for some slices.

    A lung may end and begin again if it gets smaller in between, as lungs with consolidations do.
    """
    across = np.flatnonzero(mask.any(axis=(1, 2)))
    middle = (across[0] + across[-1] + 1) // 2
    for half in (mask[:middle], mask[middle:]):
        areas = half.sum(axis=(0, 1))
        if areas.any() and _vanishes(areas):
            raise BadCase(
                "one lung of the mask is empty on some of the slices between its first and its last: every slice of the"
                " image needs its contour or mask"
            )


def _vanishes(areas: np.ndarray) -> bool:
    """Tell whether an area breaks off and comes back, both suddenly."""
    least = SUDDEN * np.median(areas[areas > 0])
    filled = np.flatnonzero(areas)
    return any(after - before > 1 and areas[before] > least < areas[after] for before, after in pairwise(filled))


def aerated_voxels(volume: Volume, window: Window) -> np.ndarray | None:
    """Mark the voxels whose HU are those of aerated lung.

    Parameters
    ----------
    volume : Volume
    window : Window
        Of the volume.

    Returns
    -------
    bool array of the volume's shape, or None
        None if it is not known: the volume was not read in HU, or the window cuts the HU off.
    """
    if volume.acquisition.hu_p50 is None or not window.low < AERATED[1] < window.high:
        return None
    low, high = window.encode(np.array(AERATED, np.float32))
    return (volume.voxels >= low) & (volume.voxels <= high)


def doubts_about_aeration(volume: Volume, window: Window, labels: np.ndarray, aerated: np.ndarray) -> list[Doubt]:
    """Compare a mask with the HU below it.

    Parameters
    ----------
    volume : Volume
    window : Window
        Of the volume.
    labels : (i, j, k) integers
        0 is no lung.
    aerated : bool array
        As `aerated_voxels` marks them.

    Returns
    -------
    list of Doubt
    """
    mask = labels > 0
    soft = volume.voxels > window.encode(np.array([AERATED[1]], np.float32))
    share = float(aerated[mask].mean())
    doubts = [] if share < HARDLY else _doubts_about_labels(aerated, labels)
    # Of a picture that shows the lungs alone, all soft tissue lies in them.
    if share < OF_BODY and np.count_nonzero(soft & mask) > MOST_OF_TISSUE * np.count_nonzero(soft):
        doubts.append(
            Doubt(
                "the mask marks more than half of the body's soft tissue: it is inverted, or shows the body or other"
                " organs"
            )
        )
    inside = _inside_body(soft, mask) & aerated
    if share < HARDLY and np.count_nonzero(inside & ~mask) > ELSEWHERE * np.count_nonzero(mask):
        doubts.append(
            Doubt(
                f"the mask is no lung by its HU: {share:.0%} of it is aerated, unlike the body elsewhere (is it"
                " inverted, upside down, of another scan or of another organ?)"
            )
        )
    elif share < MOSTLY:
        words = f"only {share:.0%} of the lung mask is aerated by its HU: look whether it lies on the lungs"
        doubts.append(Doubt(words, certain=False))
    return doubts + _doubts_about_place(aerated, inside, soft, mask)


def _inside_body(soft: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mark what lies inside the body, which is each slice's largest soft part: a table holds foam."""
    inside = np.zeros_like(mask)
    for k in range(soft.shape[2]):
        parts, _ = ndimage.label(soft[:, :, k] | mask[:, :, k])
        sizes = np.bincount(parts.ravel())[1:]
        if sizes.size:
            around, _ = ndimage.label(parts != 1 + sizes.argmax())
            border = np.concatenate([around[0], around[-1], around[:, 0], around[:, -1]])
            inside[:, :, k] = ~np.isin(around, border[border > 0])
    return inside


def coverage(aerated: np.ndarray, mask: np.ndarray) -> float:
    """Compute which share of the aerated parts that a mask touches lies in it; 1 if it touches none."""
    parts, _ = ndimage.label(aerated)
    sizes = np.bincount(parts.ravel())
    marked = np.bincount(parts[mask], minlength=len(sizes))
    touched = marked > TOUCHED * sizes
    touched[0] = False
    return float(marked[touched].sum() / sizes[touched].sum()) if touched.any() else 1.0


def _doubts_about_place(aerated: np.ndarray, inside: np.ndarray, soft: np.ndarray, mask: np.ndarray) -> list[Doubt]:
    """Doubt a mask that would lie better turned over, lies on one side of the body alone, or misses part of a lung.

    inside: what is aerated in the body.
    """
    doubts = []
    flipped = {way: float(aerated[np.flip(mask, axis)].mean()) for axis, way in enumerate(_WAYS)}
    best = max(flipped, key=lambda way: flipped[way])
    if flipped[best] > aerated[mask].mean() + BETTER:
        words = f"by its HU the lung mask is turned over: {best} swapped, {flipped[best]:.0%} of it is aerated"
        doubts.append(Doubt(words, certain=False))
    dense = soft.sum(axis=(1, 2))
    if dense.any():
        middle = round(np.average(np.arange(len(dense)), weights=dense))
        halves = (slice(None, middle), slice(middle, None))
        sides = [int(np.count_nonzero(mask[half])) for half in halves]
        if min(sides) < ONE_SIDE * sum(sides):
            doubts.append(Doubt("the lung mask lies on one side of the body alone", certain=False))
        shown = [half for half, side in zip(halves, sides, strict=True) if side >= ONE_SIDE * sum(sides)]
        least = min(coverage(inside[half], mask[half]) for half in shown)
        if least < COVERED:
            words = f"the lung mask holds {least:.0%} of the aerated tissue of a lung: look whether it is whole"
            doubts.append(Doubt(words, certain=False))
    return doubts


def _doubts_about_labels(aerated: np.ndarray, labels: np.ndarray) -> list[Doubt]:
    """Ask of every label of a mask of several whether it can be lung."""
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    if len(values) == 1:
        return []
    if len(values) > MOST_LABELS:
        return [
            Doubt(
                f"the mask has {len(values)} labels, and all above 0 would count as lung: write a mask whose labels"
                " above 0 are lung alone"
            )
        ]
    solid = [value for value in values if aerated[labels == value].mean() < HARDLY]
    large = values[counts > SMALL_LABEL * counts.sum()]
    # Lobes may be white, but hardly all but one.
    lobes = len(values) <= LUNG_LABELS and 2 * len(solid) <= len(values) + 1
    if set(solid) & set(large) and not lobes:
        return [
            Doubt(
                f"all labels above 0 of a lung mask count as lung, but {_listed(solid)} on soft tissue by the HU: write"
                " a mask whose labels above 0 are lung alone"
            )
        ]
    return [Doubt(f"of the lung mask's labels {_listed(solid)} on soft tissue", certain=False)] if solid else []


def _listed(labels: Iterable[float]) -> str:
    names = [f"{label:g}" for label in labels]
    return f"label {names[0]} lies" if len(names) == 1 else f"labels {', '.join(names[:8])} lie"
