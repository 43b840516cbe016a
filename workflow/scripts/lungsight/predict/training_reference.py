"""Choose the slices and cases that represent the training of a model, and those that were held out from it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

MOST_SLICES = 1000  # of a group: more take time and hardly change the covariance
TRAINING, HELD_OUT = ("train",), ("val", "test")  # subsets of the split


def sampled_slices(predictions: pd.DataFrame, subsets: Sequence[str]) -> pd.Series:
    """Return at most MOST_SLICES slices, evenly spread over some subsets of a table `predictions`.

    The slices of a subset are in table order.
    """
    slices = predictions.loc[predictions["split"].isin(subsets), "slice"]
    chosen = np.unique(np.linspace(0, len(slices) - 1, min(len(slices), MOST_SLICES)).round().astype(int))
    return slices.iloc[chosen]


def case_of_slice(slices: pd.Series) -> pd.Series:
    """Return the case of each slice: its name begins with it."""
    return slices.str.rsplit("-", n=1).str[0]


def cases_of(cases: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `cases` that have a slice in a table `predictions`."""
    return cases[cases["case"].isin(case_of_slice(predictions["slice"]))]
