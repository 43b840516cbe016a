"""Test whether a model's last hidden layer tells the source of a slice.

A logistic regression on the standardised features is tested on patients that it was not fitted on. A model does not
need the source for its task. If it knows the source all the same, it may have learned the task by it.
"""

import numpy as np
import pandas as pd

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


def _told_apart(sources: "pd.Series[str]", patients: "pd.Series[str]") -> "pd.Series[int]":
    """Count the patients of each source that two patients or more come from; the others cannot be held out."""
    per_source = patients.groupby(sources, sort=False).nunique()
    return per_source[per_source > 1]


def predict_sources(features: np.ndarray, sources: "pd.Series[str]", patients: "pd.Series[str]") -> np.ndarray:
    """Predict the source of each slice from features, by a model that was fitted on other patients.

    Parameters
    ----------
    features
        (n, k) of n slices.
    sources, patients
        (n,), in the same order.

    Returns
    -------
    numpy.ndarray
        (n,) str; "" for a slice of a source without a second patient, and for all where no two sources are left.
    """
    usable = _told_apart(sources, patients)
    chosen = sources.isin(usable.index).to_numpy()
    predicted = np.full(len(sources), "", dtype=object)
    if len(usable) > 1:
        # scikit-learn takes long to load, and the intervals of what is predicted here need none of it.
        from lungsight.linear_classifier import cross_validated

        truth, groups = sources[chosen].to_numpy(), patients[chosen].to_numpy()
        predicted[chosen] = cross_validated(features[chosen], truth, groups, min(FOLDS, int(usable.min())))
    return predicted


def source_row(predictions: pd.DataFrame, resamples: int, seed: int) -> AuditRow:
    """Measure how well the sources of two patients or more are predicted. Chance is 1 / sources.

    Parameters
    ----------
    predictions
        source_predictions.tsv.
    resamples, seed
        Of the interval.
    """
    sources, patients = predictions["source"], predictions["patient"]
    usable = _told_apart(sources, patients)
    if len(usable) < 2:
        single = sources.nunique() == 1
        reason = "the test slices come from one source" if single else "fewer than two sources have two patients"
        return audit_row(TEST, CLASSIFIER, MEASURE, unit="slice", reason=reason)
    tested = predictions[sources.isin(usable.index)]
    truth, predicted = tested["source"].to_numpy(), tested["predicted"].to_numpy()
    value, interval = clustered_interval(
        balanced_accuracy(truth, predicted == truth), tested["patient"], resamples, seed
    )
    return audit_row(*(TEST, CLASSIFIER, MEASURE, value, interval), unit="slice", n=len(tested), chance=1 / len(usable))
