"""Can the source of a slice be told from what a model's last hidden layer holds?

A logistic regression on the standardised features, tested on patients that it was not fitted on. What a model does not
need for its task and still knows, it may have learned the task by.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lungsight.audit.rows import audit_row, clustered_interval

FOLDS = 5
TEST, MEASURE = "source_from_features", "balanced_accuracy"


def balanced_accuracy(truth: np.ndarray, right: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The mean over classes of the share that is right, as a statistic of weighted rows. truth, right: (n,)."""
    classes = np.unique(truth)

    def statistic(weights: np.ndarray) -> np.ndarray:
        members = [truth == one for one in classes]
        total = np.stack([weights @ each.astype(float) for each in members])
        found = np.stack([weights @ (each & right).astype(float) for each in members])
        shares = np.divide(found, total, out=np.full(total.shape, np.nan), where=total > 0)
        return shares.mean(axis=0)

    return statistic


def source_row(features: np.ndarray, sources: pd.Series, patients: pd.Series, resamples: int, seed: int) -> dict:
    """The row of the balanced accuracy over sources that two patients or more come from; chance is 1 / sources.

    features: (n, k) of n slices. sources, patients: (n,), in the same order.
    """
    of_source = patients.groupby(sources, sort=False).nunique()
    usable = list(of_source.index[of_source > 1])
    if len(usable) < 2:
        total = sources.nunique()
        reason = "the test slices come from one source" if total == 1 else "fewer than two sources have two patients"
        return audit_row(TEST, "logistic regression", MEASURE, unit="slice", reason=reason)
    chosen = sources.isin(usable).to_numpy()
    truth, groups = sources[chosen].to_numpy(), patients[chosen]
    folds = StratifiedGroupKFold(n_splits=min(FOLDS, int(of_source[usable].min())))
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    predicted = cross_val_predict(model, features[chosen], truth, groups=groups.to_numpy(), cv=folds)
    value, interval = clustered_interval(balanced_accuracy(truth, predicted == truth), groups, resamples, seed)
    return audit_row(
        *(TEST, "logistic regression", MEASURE, value, interval), unit="slice", n=len(truth), chance=1 / len(usable)
    )
