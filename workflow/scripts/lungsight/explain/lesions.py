"""Measure how much of a map lies on lesions, where a case came with a lesion mask."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lungsight.explain.resample import upsample_bilinear
from lungsight.explain.saliency_metrics import IN_LUNG, ON_LESIONS, enrichment_within, measure_in_batches
from lungsight.explain.summary import summarise

FRACTION = ON_LESIONS["lung_fraction"]
MEASURED = tuple(column for column in (*ON_LESIONS.values(), IN_LUNG) if column != FRACTION)


@dataclass(frozen=True)
class Lesions:
    """The lesions of n slices.

    Attributes
    ----------
    masks
        (n, size, size) bool.
    has_mask
        (n,) bool, whether there is a lesion mask at all; it may be empty on the slice.
    """

    masks: np.ndarray
    has_mask: np.ndarray

    def take(self, rows: np.ndarray) -> "Lesions":
        """Return some of the slices."""
        return Lesions(self.masks[rows], self.has_mask[rows])


def measure_on_lesions(
    maps: np.ndarray, lungs: np.ndarray, lesions: Lesions, measurable: np.ndarray, iou_level: float
) -> dict[str, np.ndarray]:
    """Compute the columns of saliency.tsv about lesions, (n,) float64 each.

    FRACTION is NaN without a lesion mask. The other columns are NaN also where the mask is empty on the slice, or the
    map is not measurable. IN_LUNG compares lesions with the rest of the lung; lesion pixels outside the lung mask are
    added to the lung first.

    Parameters
    ----------
    maps
        (n, h, w), raw.
    lungs
        (n, H, W) bool.
    lesions
        Of the same slices.
    measurable
        (n,) bool, the maps that have metrics.
    iou_level
        Share of a map's maximum from which on a pixel counts for the IoU.
    """
    fraction = np.where(lesions.has_mask, lesions.masks.mean(axis=(1, 2)), np.nan)
    columns = {FRACTION: fraction} | {name: np.full(len(maps), np.nan) for name in MEASURED}
    rows = np.flatnonzero(measurable & (fraction > 0))
    metrics = measure_in_batches(maps[rows], lesions.masks[rows], iou_level)
    for name, column in ON_LESIONS.items():
        if column != FRACTION:
            columns[column][rows] = metrics[name]
    for row in rows:
        large = upsample_bilinear(maps[row : row + 1], lungs.shape[1:])
        mask = lesions.masks[row : row + 1]
        columns[IN_LUNG][row] = enrichment_within(large, mask, lungs[row : row + 1] | mask)[0]
    return columns


def summarise_lesions(table: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    """Summarise the columns about lesions of a table as saliency.tsv.

    Returns
    -------
    known
        Number of slices with a lesion mask.
    outcomes
        As `summarise` returns them, over the slices that show a lesion; empty where none does.
    """
    if FRACTION not in table:
        return {"known": 0, "outcomes": []}
    shown = table[table[FRACTION] > 0]
    rows = summarise(shown, resamples, seed, (FRACTION, *MEASURED)) if len(shown) else []
    return {"known": int(table[FRACTION].notna().sum()), "outcomes": rows}
