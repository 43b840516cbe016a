"""Maps against the lesions, where a mask of them was given with the case: how much of a map lies on them."""

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

    masks: (n, size, size) bool. known: (n,) bool, whether there is a mask at all; it may show none.
    """

    masks: np.ndarray
    known: np.ndarray

    def take(self, rows: np.ndarray) -> "Lesions":
        """Some of the slices."""
        return Lesions(self.masks[rows], self.known[rows])


def measure_on_lesions(
    maps: np.ndarray, lungs: np.ndarray, lesions: Lesions, measurable: np.ndarray, iou_level: float
) -> dict[str, np.ndarray]:
    """The columns of saliency.tsv about lesions, each (n,) float64.

    maps: (n, h, w) raw. lungs: (n, H, W) bool. measurable: (n,) bool, the maps that have metrics. FRACTION is NaN where
    no lesion is known, and the others also where none shows or the map is not measurable. IN_LUNG compares lesions with
    the rest of the lung; what the lung mask misses of a lesion counts to the lung.
    """
    fraction = np.where(lesions.known, lesions.masks.mean(axis=(1, 2)), np.nan)
    columns = {FRACTION: fraction} | {name: np.full(len(maps), np.nan) for name in MEASURED}
    rows = np.flatnonzero(measurable & (fraction > 0))
    found = measure_in_batches(maps[rows], lesions.masks[rows], iou_level)
    for name, column in ON_LESIONS.items():
        if column != FRACTION:
            columns[column][rows] = found[name]
    for row in rows:
        large = upsample_bilinear(maps[row : row + 1], lungs.shape[1:])
        one = lesions.masks[row : row + 1]
        columns[IN_LUNG][row] = enrichment_within(large, one, lungs[row : row + 1] | one)[0]
    return columns


def summarise_lesions(table: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    """Of a table as saliency.tsv: how many slices have a lesion mask, and the means over those that show a lesion.

    `outcomes`: as `summarise`, of the columns about lesions; empty where no lesion shows.
    """
    if FRACTION not in table:
        return {"known": 0, "outcomes": []}
    shown = table[table[FRACTION] > 0]
    rows = summarise(shown, resamples, seed, (FRACTION, *MEASURED)) if len(shown) else []
    return {"known": int(table[FRACTION].notna().sum()), "outcomes": rows}
