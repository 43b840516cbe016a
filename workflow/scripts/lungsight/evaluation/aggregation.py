"""From slices to a patient's answer: how slices are put together, and the threshold, both fitted on validation alone.

pooled: the network's own answer, of one that pools the slices of a patient · mean: the mean probability of a patient's
slices · top_k: the mean of the k highest · fraction: the share of slices at
or above a cut. k and the cut are those that rank the validation patients best (AUC); the threshold is the one with the
highest sensitivity + specificity − 1 there (Youden 1950). What is fitted goes with the model: it comes from the
validation side of the cohort that the model was trained on, and is used as it is on every other.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lungsight.evaluation.metrics import (
    PATIENT_PREDICTION,
    THRESHOLD,
    mean_of_slices,
    metrics_row,
    patient_predictions,
    weighted_metrics,
)

SLICES, POOLED = "slice", "pooled"
FIXED, VALIDATION = "fixed", "validation"
LEFT_OUT = ("brier", "ece")  # a share of slices is no probability


class Aggregation(NamedTuple):
    """score: (slices with patient, label and probability; parameter) → a row per patient. parameters: in the order in
    which they are preferred where validation cannot tell them apart; None stands for "there is none"."""

    score: Callable[[pd.DataFrame, float | None], pd.DataFrame]
    parameters: tuple[float | None, ...]


def top_k(slices: pd.DataFrame, k: float) -> pd.DataFrame:
    """As `mean_of_slices`, of the k slices with the highest probability; of all where a patient has fewer."""
    ranks = slices.groupby(["patient", "label"], sort=False)["probability"].rank(method="first", ascending=False)
    return mean_of_slices(slices[ranks <= k])


def fraction(slices: pd.DataFrame, cut: float) -> pd.DataFrame:
    """As `mean_of_slices`, with the share of slices whose probability is at least `cut`."""
    return mean_of_slices(slices.assign(probability=(slices["probability"] >= cut).astype(float)))


AGGREGATIONS = {
    POOLED: Aggregation(lambda slices, _: patient_predictions(slices), (None,)),
    "mean": Aggregation(lambda slices, _: mean_of_slices(slices), (None,)),
    "top_k": Aggregation(top_k, (3, 1, 2, 5, 10)),
    "fraction": Aggregation(fraction, (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9)),
}


def best_parameter(name: str, validation: pd.DataFrame, positive: str) -> float | None:
    """The parameter of an aggregation with the highest AUC over validation patients; the first of equals.

    Where validation has one class alone no AUC is defined, and the first is taken.
    """
    score, parameters = AGGREGATIONS[name]

    def auc(parameter: float | None) -> float:
        table = score(validation, parameter)
        truth, scores = (table["label"] == positive).to_numpy(), table["probability"].to_numpy(np.float64)
        return float(np.nan_to_num(weighted_metrics(truth, scores, np.ones((1, len(table))))["roc_auc"][0], nan=-1))

    return max(parameters, key=auc) if len(parameters) > 1 and len(validation) else parameters[0]


def best_threshold(table: pd.DataFrame, positive: str) -> float | None:
    """The threshold with the highest sensitivity + specificity − 1, halfway between two scores; None for one class.

    table: columns label, probability. Of equals the one nearest to 0.5 is taken.
    """
    truth, scores = (table["label"] == positive).to_numpy(), table["probability"].to_numpy(np.float64)
    if truth.all() or not truth.any():
        return None
    known = np.unique(scores)
    candidates = np.r_[known[0], (known[1:] + known[:-1]) / 2]
    called = scores >= candidates[:, None]
    youden = called[:, truth].mean(axis=1) - called[:, ~truth].mean(axis=1)
    best = candidates[np.isclose(youden, youden.max())]
    return float(best[np.argmin(np.abs(best - THRESHOLD))])


class Fitted(NamedTuple):
    """What validation chose for one way of answering: the aggregation ("slice": none), its parameter, a threshold."""

    aggregation: str
    parameter: float | None
    threshold: float | None

    def scores(self, slices: pd.DataFrame) -> pd.DataFrame:
        """The rows that are classified: the slices themselves, or one per patient."""
        if self.aggregation == SLICES:
            return slices
        return AGGREGATIONS[self.aggregation].score(slices, self.parameter)


def fit_aggregations(predictions: pd.DataFrame, positive: str) -> list[Fitted]:
    """Slices and every aggregation that the table allows, fitted on the validation rows of one prediction table."""
    validation = predictions[predictions["split"] == "val"]
    chosen = [Fitted(SLICES, None, None)]
    names = [name for name in AGGREGATIONS if name != POOLED or PATIENT_PREDICTION in predictions]
    chosen += [Fitted(name, best_parameter(name, validation, positive), None) for name in names]
    return [fitted._replace(threshold=best_threshold(fitted.scores(validation), positive)) for fitted in chosen]


def evaluate_aggregations(
    predictions: pd.DataFrame, fitted: list[Fitted], positive: str, resamples: int, seed: int
) -> list[dict[str, Any]]:
    """Rows of report/aggregation.tsv for the test slices of one prediction table: each way at 0.5 and at its threshold.

    Where validation could not give a threshold there is no row for it.
    """
    test = predictions[predictions["split"] == "test"]
    rows = []
    for one in fitted:
        scores = one.scores(test)
        for source, threshold in ((FIXED, THRESHOLD), (VALIDATION, one.threshold)):
            if threshold is not None:
                found = metrics_row(scores, positive, resamples, seed, threshold)
                kept = {name: value for name, value in found.items() if not name.startswith(LEFT_OUT)}
                unit = "slice" if one.aggregation == SLICES else "patient"
                identity = {"unit": unit, "aggregation": one.aggregation, "parameter": one.parameter}
                rows.append({**identity, "threshold_from": source, **kept})
    return rows
