"""Compute the ROC curve and the reliability diagram of each class against the rest: report/class_curves.tsv."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from lungsight.classes import class_columns, probabilities_of
from lungsight.evaluation.aggregation import patient_level
from lungsight.evaluation.intervals import BoolArray, FloatArray
from lungsight.evaluation.metrics import Row, reliability_rows, select_test_rows

ROC, RELIABILITY = "roc", "reliability"


def roc_points(truth: BoolArray, scores: FloatArray) -> FloatArray:
    """Compute the corners of a ROC curve, (m, 2): false-positive rate and sensitivity, from (0, 0) to (1, 1).

    Rows of one score pass the threshold together. Corners on a straight line are left out.

    Parameters
    ----------
    truth
        (n,), with rows of both kinds.
    scores
        (n,).
    """
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.r_[scores[order][1:] != scores[order][:-1], True]
    found = np.stack([np.cumsum(~truth[order]), np.cumsum(truth[order])], axis=1)[last_of_score]
    corners = np.concatenate([[[0, 0]], found])
    steps = np.diff(corners, axis=0)
    turns = steps[1:, 0] * steps[:-1, 1] != steps[1:, 1] * steps[:-1, 0]
    return corners[np.r_[True, turns, True]] / [np.sum(~truth), np.sum(truth)]


def curve_rows(predictions: pd.DataFrame, labels: Sequence[str]) -> Iterator[Row]:
    """Make the rows of one model: the ROC curve by patient and the reliability by slice of each class that is there.

    Parameters
    ----------
    predictions
        Of the model for the cohort that it was trained on.
    labels
        The classes, in order; more than two.
    """
    patients = patient_level(select_test_rows(predictions))
    by_patient = probabilities_of(patients, labels)
    for place, (label, column) in enumerate(zip(labels, class_columns(len(labels)), strict=True)):
        truth = (patients["label"] == label).to_numpy()
        if truth.all() or not truth.any():
            continue
        for x, y in roc_points(truth, by_patient[:, place]):
            yield {"class": label, "curve": ROC, "x": float(x), "y": float(y), "n": int(truth.sum())}
        for row in reliability_rows(predictions.assign(probability=predictions[column]), label):
            found: Row = {"x": row["mean_probability"], "y": row["share_positive"], "n": row["n"]}
            yield {"class": label, "curve": RELIABILITY, **found}
