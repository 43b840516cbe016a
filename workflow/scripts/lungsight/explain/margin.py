"""Dilate the lung by a few millimetres: a map that reaches slightly over its edge still shows the lung."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt

# Source of a pixel's size: the scan's spacing, the width assumed for images without spacing, or none.
FROM_SPACING, ASSUMED, UNKNOWN = "spacing", "assumed", "unknown"


@dataclass(frozen=True)
class NearLung:
    """The lung with its margin, of n slices.

    Attributes
    ----------
    masks
        (n, size, size) bool; empty where the size of a pixel is unknown.
    origin
        (n,) str, FROM_SPACING, ASSUMED or UNKNOWN.
    """

    masks: np.ndarray
    origin: np.ndarray

    def take(self, rows: np.ndarray) -> "NearLung":
        """Return some of the slices."""
        return NearLung(self.masks[rows], self.origin[rows])


def pixel_sizes(
    names: pd.Series,
    slices: pd.DataFrame,
    cases: pd.DataFrame,
    size: int,
    assumed_width: float | None,
    extent: np.ndarray | float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the size of a pixel of slices that are resized to `size` rows and columns.

    Parameters
    ----------
    names
        Of n slices.
    slices, cases
        slices.tsv and cases.tsv of their cohort.
    size
        Rows and columns of the resized slices.
    assumed_width
        Height and width in mm that an image without spacing is assumed to show; None leaves its pixels unknown.
    extent
        (n, 2) share of rows and columns that the resized slice shows.

    Returns
    -------
    pixels
        (n, 2) mm, by row and column; NaN where unknown.
    origin
        (n,) str, FROM_SPACING, ASSUMED or UNKNOWN.
    """
    case = slices.set_index("slice")["case"].reindex(names)
    acquisition = cases.set_index("case").reindex(case)
    spacing = acquisition[["spacing_row", "spacing_column"]].to_numpy(float)
    pixels = acquisition[["rows", "columns"]].to_numpy(float) * spacing
    has_spacing = ((pixels > 0) & np.isfinite(pixels)).all(axis=1)
    assumed = np.nan if assumed_width is None else assumed_width
    pixels[~has_spacing] = assumed
    return pixels * extent / size, np.where(has_spacing, FROM_SPACING, UNKNOWN if assumed_width is None else ASSUMED)


def dilate(mask: np.ndarray, pixel: np.ndarray, margin: float) -> np.ndarray:
    """Add to a mask every pixel whose centre lies within `margin` mm of the centre of one of its pixels.

    Parameters
    ----------
    mask
        (H, W) bool.
    pixel
        Size in mm by row and column; NaN gives an empty mask.
    margin
        In mm.
    """
    if np.isnan(pixel).any() or not mask.any():
        return np.zeros_like(mask)
    return distance_transform_edt(~mask, sampling=pixel) <= margin


def near_lung(masks: np.ndarray, pixels: np.ndarray, origin: np.ndarray, margin: float) -> NearLung:
    """Dilate the lung of n slices.

    Parameters
    ----------
    masks
        (n, size, size) bool, the lung.
    pixels, origin
        As `pixel_sizes` returns them.
    margin
        In mm.
    """
    dilated = [dilate(mask, pixel, margin) for mask, pixel in zip(masks, pixels, strict=True)]
    return NearLung(np.stack(dilated) if dilated else masks, origin)
