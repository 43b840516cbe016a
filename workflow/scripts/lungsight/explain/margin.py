"""The lung with a margin of a few millimetres: a map that spills a little over its edge still looks at the lung."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt

# Where the size of a pixel is from: the scan, the width that images without spacing are taken to show, or nowhere.
FROM_SPACING, ASSUMED, UNKNOWN = "spacing", "assumed", "unknown"


@dataclass(frozen=True)
class NearLung:
    """The lung and what lies within the margin, of n slices.

    masks: (n, size, size) bool. origin: (n,) str, FROM_SPACING, ASSUMED or UNKNOWN; where unknown a mask is empty.
    """

    masks: np.ndarray
    origin: np.ndarray

    def take(self, rows: np.ndarray) -> "NearLung":
        """Some of the slices."""
        return NearLung(self.masks[rows], self.origin[rows])


def pixel_sizes(
    names: pd.Series,
    slices: pd.DataFrame,
    cases: pd.DataFrame,
    size: int,
    assumed_width: float | None,
    extent: np.ndarray | float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """How large a pixel is once a slice has `size` rows and columns: (n, 2) mm by row and column, and (n,) its origin.

    names: of n slices. slices, cases: as slices.tsv and cases.tsv. assumed_width: mm that rows and columns of an image
    without spacing, a picture say, are taken to show; None leaves them unknown, NaN. extent: (n, 2) shares of rows and
    columns that are shown.
    """
    case = slices.set_index("slice")["case"].reindex(names)
    facts = cases.set_index("case").reindex(case)
    pixels = facts[["rows", "columns"]].to_numpy(float) * facts[["spacing_row", "spacing_column"]].to_numpy(float)
    known = ((pixels > 0) & np.isfinite(pixels)).all(axis=1)
    assumed = np.nan if assumed_width is None else assumed_width
    pixels[~known] = assumed
    return pixels * extent / size, np.where(known, FROM_SPACING, UNKNOWN if assumed_width is None else ASSUMED)


def dilate(mask: np.ndarray, pixel: np.ndarray, margin: float) -> np.ndarray:
    """A mask and every pixel whose centre lies within `margin` mm of one of its pixels' centres.

    mask: (H, W) bool. pixel: mm by row and column; NaN gives an empty mask.
    """
    if np.isnan(pixel).any() or not mask.any():
        return np.zeros_like(mask)
    return distance_transform_edt(~mask, sampling=pixel) <= margin


def near_lung(masks: np.ndarray, pixels: np.ndarray, origin: np.ndarray, margin: float) -> NearLung:
    """masks: (n, size, size) bool, the lung. pixels, origin: of `pixel_sizes`. margin: mm."""
    dilated = [dilate(mask, pixel, margin) for mask, pixel in zip(masks, pixels, strict=True)]
    return NearLung(np.stack(dilated) if dilated else masks, origin)
