"""Test whether a model's last hidden layer tells the source of a slice.

A logistic regression on the standardised features is tested on patients that it was not fitted on. A model does not
need the source for its task. If it knows the source all the same, it may have learned the task by it.
"""

import numpy as np
import pandas as pd

from lungsight.audit.linear_classifier import cross_validated
from lungsight.audit.rows import Statistic, audit_row, clustered_interval
from lungsight.rows import AuditRow

FOLDS = 5
TEST, CLASSIFIER, MEASURE = "source_from_features", "logistic regression", "balanced_accuracy"


def balanced_accuracy(truth: np.ndarray, right: np.ndarray) -> Statistic:
    """Make the mean of the classes' accuracies a statistic of weighted rows.

    Parameters
    ----------
    truth
        (n,), the class of each row.
    right
        (n,) bool, whether it was predicted.
    """
    classes = np.unique(truth)

    def statistic(weights: np.ndarray) -> np.ndarray:
        members = [truth == name for name in classes]
        total = np.stack([weights @ each.astype(float) for each in members])
        correct = np.stack([weights @ (each & right).astype(float) for each in members])
        shares = np.divide(correct, total, out=np.full(total.shape, np.nan), where=total > 0)
        return shares.mean(axis=0)

    return statistic


def source_row(
    features: np.ndarray, sources: "pd.Series[str]", patients: "pd.Series[str]", resamples: int, seed: int
) -> AuditRow:
    """Measure how well features tell the sources that two patients or more come from. Chance is 1 / sources.

    Parameters
    ----------
    features
        (n, k) of n slices.
    sources, patients
        (n,), in the same order.
    """
    per_source = patients.groupby(sources, sort=False).nunique()
    usable = list(per_source.index[per_source > 1])
    if len(usable) < 2:
        single = sources.nunique() == 1
        reason = "the test slices come from one source" if single else "fewer than two sources have two patients"
        return audit_row(TEST, CLASSIFIER, MEASURE, unit="slice", reason=reason)
    chosen = sources.isin(usable).to_numpy()
    truth, groups = sources[chosen].to_numpy(), patients[chosen]
    predicted = cross_validated(features[chosen], truth, groups.to_numpy(), min(FOLDS, int(per_source[usable].min())))
    value, interval = clustered_interval(balanced_accuracy(truth, predicted == truth), groups, resamples, seed)
    n, chance = len(truth), 1 / len(usable)
    return audit_row(TEST, CLASSIFIER, MEASURE, value, interval, unit="slice", n=n, chance=chance)
