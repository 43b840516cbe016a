"""Reliability: of the slices that get a probability of about p, is a share of about p positive?"""

from typing import Any

import numpy as np
import pandas as pd

from lungsight.evaluation.metrics import ECE_BINS


def reliability_rows(predictions: pd.DataFrame, positive: str) -> list[dict[str, Any]]:
    """Rows of report/reliability.tsv: the bins of the expected calibration error that hold a test slice.

    Bins [0, 0.1), …, [0.9, 1] with the number of slices, their mean probability and the share of positives.
    """
    test = predictions[predictions["split"] == "test"]
    probability, truth = test["probability"].to_numpy(), (test["label"] == positive).to_numpy()
    bins = np.minimum((probability * ECE_BINS).astype(int), ECE_BINS - 1)
    return [
        {
            **{"low": number / ECE_BINS, "high": (number + 1) / ECE_BINS, "n": int((bins == number).sum())},
            "mean_probability": float(probability[bins == number].mean()),
            "share_positive": float(truth[bins == number].mean()),
        }
        for number in np.unique(bins)
    ]
