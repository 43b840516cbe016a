"""A lung mask without a trained network: threshold, body, air inside it, connected components, closing.

For users without contours to train on, and as a second opinion on a network's masks. After Hu, Hoffman & Reinhardt,
IEEE Trans Med Imaging 20:490 (2001), with the body found slice by slice instead of from the volume's border.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label
from skimage.morphology import isotropic_closing, isotropic_opening

CLOSING_MM = 6.0  # bridges vessels and small consolidations at the border
SMALLEST_OF_LARGEST = 0.1  # of the largest component of a volume: less is bowel gas or airway
SMALLEST_OF_BODY = 0.006  # of the body's area in a single slice: less is an airway
GAS = 0.35  # of the way from the air around the body to the lungs: a darker piece is bowel gas or airway,
LARGEST_GAS = 0.05  # unless it has more of the body's area in a slice: a whole lung can be emphysematous
SMALLEST_TOUCHING = 0.001  # of the body's area: gas that touches the lung and is smaller may be a bulla
NARROWEST_GAP = 0.025  # of the root of that area, some 6 mm: where gas touches the lung by less, the two are parted
BLUR = 0.004  # of that root, some 1 mm: noise of thin slices would part the lung as well
WALL = 0.04  # of the way from lung to tissue: the thin wall of stomach or bowel is brighter, though often no tissue
LEAST_CONTRAST = 0.1  # of the way from air to tissue lies the lung at least; else that "air" is lung cut off by a crop
ASSUMED_FIELD_OF_VIEW_MM = 350.0  # of an image without a known spacing


def largest_component(mask: np.ndarray) -> np.ndarray:
    """The largest 4-connected component of a mask (rows, columns), as bool of its shape; empty for an empty mask."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return np.zeros_like(mask)
    return labels == np.bincount(labels.ravel())[1:].argmax() + 1


def body_mask(tissue: np.ndarray) -> np.ndarray:
    """The body in every axial slice: the largest piece of tissue, opened to cut off the table, holes filled.

    tissue: (i, j, k) bool. Returns the same shape.
    """
    body = np.zeros_like(tissue)
    for k in range(tissue.shape[2]):
        largest = largest_component(ndimage.binary_opening(tissue[:, :, k], iterations=2))
        body[:, :, k] = ndimage.binary_fill_holes(largest)
    return body


def _lung_components(air: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Of the air inside the body, the pieces that are lung: in a volume the large ones, in a slice all but airways."""
    labels = label(air, connectivity=1)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    smallest = SMALLEST_OF_LARGEST * sizes.max() if air.shape[2] > 1 else SMALLEST_OF_BODY * np.count_nonzero(body)
    return np.isin(labels, np.flatnonzero((sizes >= smallest) & (sizes > 0)))


def tissue_of(volume: np.ndarray) -> np.ndarray:
    """What is brighter than air, (i, j, k) bool; nothing in an image of one value."""
    if volume.min() == volume.max():
        return np.zeros(volume.shape, dtype=bool)
    return volume >= threshold_otsu(volume.ravel())


def pixel_of(shape: tuple[int, ...], spacing: tuple[float, float, float] | None) -> float:
    """The smaller edge of a pixel in mm; of an image without a known spacing an assumed one."""
    return min(spacing[:2]) if spacing else ASSUMED_FIELD_OF_VIEW_MM / max(shape[:2])


class _Levels(NamedTuple):
    """Grey values: below `gas` lies air that is in no tissue; from `wall` on what parts such air from the lung."""

    gas: float
    wall: float


def _levels(volume: np.ndarray, tissue: np.ndarray, body: np.ndarray, lungs: np.ndarray) -> _Levels | None:
    """None where no air around the body shows how dark gas is. What padding left black is no air around the body."""
    around = volume[~body]
    around = around[around > volume.min()] if (around > volume.min()).any() else around
    if not around.size or not lungs.any():
        return None
    air, lung, dense = np.median(around), np.median(volume[lungs]), np.median(volume[tissue & body])
    if lung - air < LEAST_CONTRAST * (dense - air):
        return None
    return _Levels(float(air + GAS * (lung - air)), float(lung + WALL * (dense - lung)))


def _hollow(
    plane: np.ndarray, labels: np.ndarray, inner: np.ndarray, level: float, smallest: float, largest: float
) -> np.ndarray:
    """The pieces of a slice, bool, with a median below `level` and an area (pixels) between the two bounds.

    labels: the pieces, numbered. inner: the same without their rim, which shares its pixels with tissue.
    """
    numbers = np.unique(inner[inner > 0])
    dark = ndimage.median(plane, inner, numbers) < level
    areas = np.bincount(labels.ravel())[numbers]
    return np.isin(labels, numbers[dark & (areas >= smallest) & (areas <= largest)])


def _gas(air: np.ndarray, volume: np.ndarray, levels: _Levels, body: np.ndarray) -> np.ndarray:
    """Of the air in the body, (i, j, k) bool, the pieces of each slice that are not large and hold no tissue.

    A piece is what lies apart from other air; and, of what touches the lung, what a wall parts from it but for narrow
    gaps. Hyperinflated lung, as dark as gas, has no wall towards the rest of the lung.
    """
    found = np.zeros_like(air)
    for k in np.flatnonzero(air.any(axis=(0, 1))):
        plane, area = volume[:, :, k], np.count_nonzero(body[:, :, k])
        labels, _ = ndimage.label(air[:, :, k])
        inner = labels * ndimage.binary_erosion(air[:, :, k])
        apart = _hollow(plane, labels, inner, levels.gas, 0, LARGEST_GAS * area)
        unit = np.sqrt(area)
        open_air = air[:, :, k] & ~apart & (ndimage.gaussian_filter(plane, BLUR * unit) < levels.wall)
        # The frame keeps what is not there from counting as air.
        wide = isotropic_opening(np.pad(open_air, 1), NARROWEST_GAP * unit)[1:-1, 1:-1]
        labels, _ = ndimage.label(wide)
        touching = _hollow(plane, labels, labels, levels.gas, SMALLEST_TOUCHING * area, LARGEST_GAS * area)
        found[:, :, k] = apart | ndimage.binary_dilation(touching) & air[:, :, k]
    return found


class Air(NamedTuple):
    """The air inside the body, (i, j, k) bool: body with all that it encloses, lungs, and gas in airways and bowel."""

    body: np.ndarray
    lungs: np.ndarray
    gas: np.ndarray


def air_in_body(volume: np.ndarray) -> Air:
    """Find the body, and in it lungs and gas by what they are made of: gas holds no tissue, so it is darker than lung.

    volume: (i, j, k), any linear grey scale, air dark. Gas that is open to the lung in a slice counts as lung.
    """
    tissue = tissue_of(volume)
    body = body_mask(tissue)
    air = body & ~tissue
    lungs = _lung_components(air, body)
    levels = _levels(volume, tissue, body, lungs)
    gas = _gas(air, volume, levels, body) if levels else np.zeros_like(air)
    return Air(body, lungs & ~gas, gas)


def lung_mask(volume: np.ndarray, spacing: tuple[float, float, float] | None = None) -> np.ndarray:
    """The lungs of a CT volume or of a single slice.

    volume: (i, j, k), any linear grey scale, air dark. spacing: mm along i, j, k; None where it is unknown.
    Returns (i, j, k) bool, empty where no air is enclosed.
    """
    body, lungs, _ = air_in_body(volume)
    pixel = pixel_of(volume.shape, spacing)
    for k in np.flatnonzero(lungs.any(axis=(0, 1))):
        closed = isotropic_closing(lungs[:, :, k], CLOSING_MM / pixel)
        lungs[:, :, k] = ndimage.binary_fill_holes(closed) & body[:, :, k]
    return lungs
