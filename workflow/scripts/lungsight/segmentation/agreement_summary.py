"""Summarise the agreement of the predicted with the contoured lungs by subset."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from lungsight.subsets import SUBSETS
from lungsight.wording import tally


class SubsetAgreement(NamedTuple):
    """Agreement in one subset; NaN where nothing was measured.

    Attributes
    ----------
    n
        Cases, or slices where slices were split.
    mean, median, lowest
        Of the Dice coefficients.
    distance
        Mean of the 95th percentile surface distances, in mm.
    volume_error
        Mean of the absolute relative volume errors.
    without_dice
        Reasons why there is no Dice, with how often each occurs.
    """

    subset: str
    n: int
    mean: float
    median: float
    lowest: float
    distance: float
    volume_error: float
    without_dice: str


def agreement_by_subset(metrics: pd.DataFrame) -> list[SubsetAgreement]:
    """Summarise segmentation/metrics.tsv."""
    return [_summary(subset, metrics[metrics["split"] == subset]) for subset in SUBSETS]


def _summary(subset: str, rows: pd.DataFrame) -> SubsetAgreement:
    dice = rows["dice"].astype(float).dropna()
    return SubsetAgreement(
        subset=subset,
        n=len(rows),
        mean=float(dice.mean()) if len(dice) else np.nan,
        median=float(dice.median()) if len(dice) else np.nan,
        lowest=float(dice.min()) if len(dice) else np.nan,
        distance=float(rows["surface_distance_95"].astype(float).mean()),
        volume_error=float(rows["volume_error"].astype(float).abs().mean()),
        without_dice=tally(rows.loc[rows["dice"].isna(), "reason"]),
    )
