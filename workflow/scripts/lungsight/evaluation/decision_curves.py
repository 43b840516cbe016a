"""Compute decision curves: what acting on a model is worth, over the probability from which one acts.

Whoever acts from probability t on holds a missed patient for (1 − t)/t times as bad as a needless action. Per patient,
the net benefit of a model is then

    tp / n − fp / n · t / (1 − t)

with the patients at or above t counted as positive. Acting on everybody has that of tp = all positives and fp = all
negatives; acting on nobody has 0. `gain` is the net benefit minus the larger of these two: a model with a gain of 0 or
less is of no use at this threshold. Probabilities are taken as the model gives them, so a miscalibrated model loses.

References
----------
Vickers, A. J. and Elkin, E. B. (2006). Decision curve analysis. Medical Decision Making 26, 565-574.
Vickers, A. J. et al. (2008). Extensions to decision curve analysis. BMC Med Inform Decis Mak 8, 53.
"""

import numpy as np
import pandas as pd

from lungsight.evaluation.aggregation import patient_level
from lungsight.evaluation.intervals import BoolArray, FloatArray, has_interval, lone_classes, percentile_interval
from lungsight.evaluation.metrics import (
    ENDS,
    Row,
    drawn_weights,
    drawn_within_classes,
    ratio,
    select_test_rows,
    truth_and_probability,
)

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
CURVES = ("net_benefit", "act_on_all", "gain")


def net_benefits(truth: BoolArray, probability: FloatArray, weights: FloatArray) -> FloatArray:
    """Compute CURVES at every threshold, of patients that are weighted in b ways.

    Parameters
    ----------
    truth
        (n,) whether a patient is positive.
    probability
        (n,) in [0, 1].
    weights
        (b, n), not negative.

    Returns
    -------
    (3, b, thresholds); NaN where a weighting is all 0.
    """
    thresholds: FloatArray = np.array(THRESHOLDS)
    odds = thresholds / (1 - thresholds)
    acted = (probability[:, None] >= thresholds).astype(np.float64)
    total = weights.sum(axis=1, keepdims=True)
    positives: FloatArray = weights * truth
    negatives: FloatArray = weights * ~truth
    of_model = ratio(positives @ acted - (negatives @ acted) * odds, np.broadcast_to(total, (len(weights), len(odds))))
    prevalence = ratio(positives.sum(axis=1, keepdims=True), total)
    on_all: FloatArray = prevalence - (1 - prevalence) * odds
    return np.stack([of_model, on_all, of_model - np.maximum(on_all, 0)])


def decision_rows(predictions: pd.DataFrame, positive: str, resamples: int, seed: int) -> list[Row]:
    """Compute the decision curve of one prediction table over its test patients.

    Parameters
    ----------
    predictions
        The table `predictions`.
    positive
        Label of the positive class; with more than two classes it stands against the rest.
    resamples, seed
        Draws of patients for the intervals, and their seed. No interval without two patients of each class.
    """
    patients = patient_level(select_test_rows(predictions))
    if patients.empty:
        return []
    truth, probability = truth_and_probability(patients, positive)
    point = net_benefits(truth, probability, np.ones((1, len(patients))))[:, 0]
    low, high = np.full((2, *point.shape), np.nan)
    lone, within = lone_classes(patients), drawn_within_classes(patients)
    if resamples and patients["patient"].nunique() > 1 and has_interval("accuracy", positive, lone, within):
        batches = [net_benefits(truth, probability, weights) for weights in drawn_weights(patients, resamples, seed)]
        low, high = percentile_interval(np.concatenate(batches, axis=1).swapaxes(0, 1))
    ends = dict(zip(ENDS, (point, low, high), strict=True))
    rows: list[Row] = []
    for place, threshold in enumerate(THRESHOLDS):
        row: Row = {"threshold": threshold, "n": len(patients), "n_positive": int(truth.sum())}
        for number, curve in enumerate(CURVES):
            row |= {f"{curve}{end}": float(values[number, place]) for end, values in ends.items()}
        rows.append(row)
    return rows
