"""Which slices and cases of the training stand for what a model knows."""

import numpy as np
import pandas as pd

from lungsight.training.image_cache import CachedImages

MOST_SLICES = 1000  # of a side; more change the covariance little and take time


def sampled_rows(predictions: pd.DataFrame, images: CachedImages, side: str) -> np.ndarray:
    """(n,) int: rows of the image cache, at most MOST_SLICES, evenly spread over the side's slices in table order."""
    slices = predictions.loc[predictions["split"] == side, "slice"]
    chosen = np.unique(np.linspace(0, len(slices) - 1, min(len(slices), MOST_SLICES)).round().astype(int))
    return images.rows_of(slices.iloc[chosen])


def training_cases(cases: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """The cases, as `cases`, that have a slice among the training slices."""
    slices = predictions.loc[predictions["split"] == "train", "slice"]
    return cases[cases["case"].isin(slices.str.rsplit("-", n=1).str[0])]
