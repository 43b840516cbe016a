"""Find the lungs without a trained network: threshold, body, air inside it, connected components, closing.

It serves users without contours to train on, and quality control as a second opinion on a network's masks. All volumes
and masks are (i, j, k).

References
----------
After Hu, Hoffman & Reinhardt, IEEE Trans Med Imaging 20:490 (2001). Here the body is found slice by slice, not from the
border of the volume.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label
from skimage.morphology import convex_hull_image, isotropic_closing, isotropic_opening

from lungsight.components import dilated, eroded, largest_component, opened
from lungsight.segmentation.single_slice import divide

CLOSING_MM = 6.0  # bridges vessels and small consolidations at the border
THINNEST_BAY = 0.35  # of that gap: a thinner one lies between ribs, where the wall itself bends
LARGEST_BAY = 0.25  # of the area of its lung: a larger bay is the liver or the heart
# The mouth of a bay, as seen from the middle of its lung, lies so far outwards (cosine), and outwards or behind.
TO_THE_RIBS = (-0.2, 0.5)
LEAST_SIDE = 0.1  # of both lungs: less lung on one side shows no shape of its own
# Smaller pieces of air are bowel gas or airways: as a share of the largest piece of a volume, and of the body's area in
# a single slice.
SMALLEST_OF_LARGEST = 0.1
SMALLEST_OF_BODY = 0.006
# Gas is darker than lung: its grey value lies below this share of the way from the air around the body to the lungs. A
# piece with more than LARGEST_GAS of the body's area is lung all the same: a whole lung can be emphysematous.
GAS = 0.35
LARGEST_GAS = 0.05
# Gas that touches the lung: a piece with less of the body's area may be a bulla. The others are cut off where they
# touch the lung over less than NARROWEST_GAP, a share of the root of that area, some 6 mm.
SMALLEST_TOUCHING = 0.001
NARROWEST_GAP = 0.025
BLUR = 0.004  # share of that root, some 1 mm: without it, the noise of thin slices would divide the lung as well
# The thin wall of stomach or bowel is brighter than lung by at least this share of the way from lung to tissue, though
# often too dark to count as tissue.
WALL = 0.04
# The lung is brighter than air by at least this share of the way from air to tissue. Otherwise the "air" around the
# body is lung that a crop cut off.
LEAST_CONTRAST = 0.1
LEAST_AROUND = 0.02  # of the image: less air around the body does not show how dark air is
ASSUMED_FIELD_OF_VIEW_MM = 350.0  # of an image without a known spacing


def body_mask(tissue: np.ndarray) -> np.ndarray:
    """Find the body in every axial slice: the largest piece of tissue, with its holes filled.

    An opening first cuts off the table. tissue: (i, j, k) bool. Returns the same shape.
    """
    body = np.zeros_like(tissue)
    for k in range(tissue.shape[2]):
        largest = largest_component(opened(tissue[:, :, k], 2))
        body[:, :, k] = ndimage.binary_fill_holes(largest)
    return body


def _lung_components(air: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Choose the pieces of air inside the body that are lung: the large ones; in a single slice all but airways."""
    labels = np.asarray(label(air, connectivity=1))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    smallest = SMALLEST_OF_LARGEST * sizes.max() if air.shape[2] > 1 else SMALLEST_OF_BODY * np.count_nonzero(body)
    return np.isin(labels, np.flatnonzero((sizes >= smallest) & (sizes > 0)))


def tissue_of(volume: np.ndarray) -> np.ndarray:
    """Find what is brighter than air, (i, j, k) bool; nothing in an image of one value."""
    if volume.min() == volume.max():
        return np.zeros(volume.shape, dtype=bool)
    return volume >= threshold_otsu(volume.ravel())


def pixel_of(shape: tuple[int, ...], spacing: tuple[float, float, float] | None) -> float:
    """Return the smaller edge of a pixel in mm; an assumed one for an image without a known spacing."""
    return min(spacing[:2]) if spacing else ASSUMED_FIELD_OF_VIEW_MM / max(shape[:2])


class _Levels(NamedTuple):
    """Two grey values: gas without tissue is darker than `gas`; a wall between gas and lung is at least `wall`."""

    gas: float
    wall: float


def _levels(volume: np.ndarray, tissue: np.ndarray, body: np.ndarray, lungs: np.ndarray) -> _Levels | None:
    """Measure the two grey values. Return None if no air around the body shows how dark gas is."""
    around = volume[~body]
    # The darkest value may be padding, which is not air.
    around = around[around > volume.min()] if (around > volume.min()).any() else around
    if around.size < LEAST_AROUND * volume.size or not lungs.any():
        return None
    # In a single slice half of the lung may be diseased.
    lung = np.percentile(volume[lungs], 50 if volume.shape[2] > 1 else 25)
    air, dense = np.median(around), np.median(volume[tissue & body])
    if lung - air < LEAST_CONTRAST * (dense - air):
        return None
    return _Levels(float(air + GAS * (lung - air)), float(lung + WALL * (dense - lung)))


def _hollow(
    plane: np.ndarray, labels: np.ndarray, inner: np.ndarray, level: float, smallest: float, largest: float
) -> np.ndarray:
    """Choose the pieces of a slice with a median below `level` and an area between two bounds, in pixels.

    labels: the numbered pieces. inner: the same without their rims, where a pixel is partly tissue. Returns bool.
    """
    within = inner > 0
    if not within.any():
        return within
    numbers = np.unique(inner[within])
    dark = ndimage.median(plane[within], inner[within], numbers) < level
    areas = np.bincount(labels.ravel())[numbers]
    return np.isin(labels, numbers[dark & (areas >= smallest) & (areas <= largest)])


def _gas(air: np.ndarray, volume: np.ndarray, levels: _Levels, body: np.ndarray) -> np.ndarray:
    """Find the gas in each slice: pieces of the air in the body that are not large and hold no tissue.

    A piece lies apart from other air, or a wall with narrow gaps at most separates it from the lung. Hyperinflated lung
    is as dark as gas, but has no wall towards the rest of the lung. air: (i, j, k) bool. Returns the same shape.
    """
    gas = np.zeros_like(air)
    for k in np.flatnonzero(air.any(axis=(0, 1))):
        plane, area = volume[:, :, k], np.count_nonzero(body[:, :, k])
        labels, _ = ndimage.label(air[:, :, k])
        inner = labels * eroded(air[:, :, k])
        apart = _hollow(plane, labels, inner, levels.gas, 0, LARGEST_GAS * area)
        unit = np.sqrt(area)
        open_air = air[:, :, k] & ~apart & (ndimage.gaussian_filter(plane, BLUR * unit) < levels.wall)
        # With a frame, what lies outside the image does not count as air.
        wide = isotropic_opening(np.pad(open_air, 1), NARROWEST_GAP * unit)[1:-1, 1:-1]
        labels, _ = ndimage.label(wide)
        touching = _hollow(plane, labels, labels, levels.gas, SMALLEST_TOUCHING * area, LARGEST_GAS * area)
        gas[:, :, k] = apart | dilated(touching) & air[:, :, k]
    return gas


class Air(NamedTuple):
    """Three (i, j, k) bool: the body with all that it encloses, the lungs, and gas in airways, stomach and bowel."""

    body: np.ndarray
    lungs: np.ndarray
    gas: np.ndarray


def _divided_volume(volume: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find tissue, body and lungs, each (i, j, k) bool, with one threshold."""
    tissue = tissue_of(volume)
    body = body_mask(tissue)
    return tissue, body, _lung_components(body & ~tissue, body)


def _divided_slice(volume: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find tissue, body and lungs, each (i, j, 1) bool, in a single slice."""
    division = divide(volume[:, :, 0])
    if division is None:
        nothing = np.zeros(volume.shape, dtype=bool)
        return nothing, nothing, nothing
    return volume >= division.level, division.body[:, :, np.newaxis], division.lungs[:, :, np.newaxis]


def air_in_body(volume: np.ndarray) -> Air:
    """Find the body, and in it lungs and gas. Gas holds no tissue, so it is darker than lung.

    Gas that is open to the lung in a slice counts as lung. volume: (i, j, k), any linear grey scale with dark air.
    """
    tissue, body, lungs = _divided_slice(volume) if volume.shape[2] == 1 else _divided_volume(volume)
    air = body & ~tissue
    levels = _levels(volume, tissue, body, lungs)
    gas = _gas(air, volume, levels, body) if levels else np.zeros_like(air)
    return Air(body, lungs & ~gas, gas)


def lung_mask(volume: np.ndarray, spacing: tuple[float, float, float] | None = None) -> np.ndarray:
    """Find the lungs of a CT volume or of a single slice.

    Parameters
    ----------
    volume : (i, j, k) float
        Any linear grey scale with dark air.
    spacing
        mm along i, j, k; None if it is unknown.

    Returns
    -------
    (i, j, k) bool
        Empty if the body encloses no air.
    """
    body, lungs, _ = air_in_body(volume)
    pixel = pixel_of(volume.shape, spacing)
    for k in np.flatnonzero(lungs.any(axis=(0, 1))):
        box = _box_of(lungs[:, :, k], margin=round(2 * CLOSING_MM / pixel))
        lungs[box][:, :, k] = closed_lungs(lungs[box][:, :, k], CLOSING_MM / pixel) & body[box][:, :, k]
    return lungs


def _box_of(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Return the part of a plane that holds a mask, with a margin in pixels."""
    (top, bottom), (left, right) = (np.flatnonzero(mask.any(axis=axis))[[0, -1]] for axis in (1, 0))
    return slice(max(0, top - margin), bottom + margin + 1), slice(max(0, left - margin), right + margin + 1)


def closed_lungs(lungs: np.ndarray, radius: float) -> np.ndarray:
    """Add to lungs what they enclose: vessels, consolidation inside, and consolidation below the pleura.

    lungs: (i, j) bool, j to the front. radius: of gaps that are closed, in pixels. Returns the same shape.
    """
    closed = ndimage.binary_fill_holes(isotropic_closing(lungs, radius))
    across = np.flatnonzero(closed.any(axis=1))
    middle = (across[0] + across[-1] + 1) // 2
    for half, outwards in ((slice(None, middle), -1), (slice(middle, None), 1)):
        if np.count_nonzero(closed[half]) > LEAST_SIDE * np.count_nonzero(closed):
            bays = _below_pleura(closed[half], outwards)
            # An opening of nothing would measure distances to nothing.
            closed[half] |= isotropic_opening(bays, THINNEST_BAY * radius) if bays.any() else bays
    return ndimage.binary_fill_holes(closed)


def _below_pleura(lung: np.ndarray, outwards: int) -> np.ndarray:
    """Find the bays of one lung that open towards the ribs: what consolidation below the pleura leaves.

    The convex hull of a lung bridges its bays. Heart, spine and liver make bays too. These open towards the other lung
    or the front, or they are large. lung: (i, j) bool, without holes. outwards: 1 if i runs to the ribs, else -1.
    """
    hull = convex_hull_image(lung, offset_coordinates=False)
    labels, count = ndimage.label(hull & ~lung)
    if not count:
        return labels > 0
    numbers = np.arange(1, count + 1)
    mouth = labels * ~eroded(hull)
    mouths = np.array(ndimage.center_of_mass(mouth > 0, mouth, numbers)).reshape(-1, 2)
    away = (mouths - ndimage.center_of_mass(lung)) * (outwards, -1)
    away /= np.hypot(*away.T)[:, np.newaxis]
    small = np.bincount(labels.ravel())[1:] < LARGEST_BAY * np.count_nonzero(lung)
    return np.isin(labels, numbers[small & (away[:, 0] > TO_THE_RIBS[0]) & (away.max(axis=1) > TO_THE_RIBS[1])])
