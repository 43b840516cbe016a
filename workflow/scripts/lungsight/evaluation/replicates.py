"""Summarise what differs between replicates: trainings that differ in their seed, and where asked in their split.

The interval of a metric comes from drawing patients: it says what other test patients would give for this one network.
The spread over replicates says what another seed would give on these patients. Neither holds the other.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t

from lungsight.evaluation.intervals import LEVEL, FloatArray, IntArray

FEWEST_SPLITS = 5  # with fewer, an interval over splits says nothing


class Spread(NamedTuple):
    """Mean, standard deviation (n − 1), smallest and largest of some values, and their number; NaN where undefined."""

    mean: float
    sd: float
    min: float
    max: float
    number: int


def spread_of(values: "Sequence[float] | FloatArray") -> Spread:
    """Summarise values; a missing one does not count. One value has no standard deviation."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if not known.size:
        return Spread(np.nan, np.nan, np.nan, np.nan, 0)
    sd = float(known.std(ddof=1)) if known.size > 1 else np.nan
    return Spread(float(known.mean()), sd, float(known.min()), float(known.max()), int(known.size))


def ranks_in_each(values: FloatArray) -> IntArray:
    """Rank pipelines within each replicate by a metric, the highest first.

    Parameters
    ----------
    values
        (replicates, pipelines). A missing value comes last; equals share the better rank.

    Returns
    -------
    (replicates, pipelines), from 1 on.
    """
    frame = pd.DataFrame(values)
    return frame.rank(axis=1, method="min", ascending=False, na_option="bottom").to_numpy(np.int64)


def interval_over_splits(values: "Sequence[float] | FloatArray", test_over_train: float) -> tuple[float, float]:
    """Give the 95 % interval of a mean over repeated random splits: the corrected resampled t.

    Training sets of repeated splits overlap, so their results are not independent and the usual t interval is too
    narrow. Nadeau and Bengio replace the variance s²/n of the mean by s² (1/n + n_test/n_train).

    Parameters
    ----------
    values
        Of each split; a missing one does not count.
    test_over_train
        Tested patients over trained ones, in one split.

    Returns
    -------
    The ends; NaN with fewer than FEWEST_SPLITS values.

    References
    ----------
    Nadeau, C. and Bengio, Y. (2003). Inference for the generalization error. Machine Learning 52.
    """
    found = spread_of(values)
    if found.number < FEWEST_SPLITS:
        return np.nan, np.nan
    error = found.sd * np.sqrt(1 / found.number + test_over_train)
    reach = float(t.ppf((1 + LEVEL) / 2, found.number - 1)) * error
    return found.mean - reach, found.mean + reach
