"""Choose the slices and cases that represent the training of a model."""

import numpy as np
import pandas as pd

from lungsight.training.image_cache import CachedImages

MOST_SLICES = 1000  # of a subset: more take time and hardly change the covariance


def sampled_rows(predictions: pd.DataFrame, images: CachedImages, subset: str) -> np.ndarray:
    """Return rows of the image cache, (n,) int, of at most MOST_SLICES slices, evenly spread over a subset.

    The slices of a subset are in table order.
    """
    slices = predictions.loc[predictions["split"] == subset, "slice"]
    chosen = np.unique(np.linspace(0, len(slices) - 1, min(len(slices), MOST_SLICES)).round().astype(int))
    return images.rows_of(slices.iloc[chosen])


def training_cases(cases: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `cases` that have a training slice."""
    slices = predictions.loc[predictions["split"] == "train", "slice"]
    return cases[cases["case"].isin(slices.str.rsplit("-", n=1).str[0])]
