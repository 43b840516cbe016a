"""Combine the slices of a patient into one score, and choose the threshold; validation alone decides.

Four ways to score a patient:

- `pooled`: the model's own probability for the patient, of a model that pools the slices (`training.bags`)
- `mean`: the mean probability of the slices
- `top_k`: the mean of the k highest probabilities
- `fraction`: the share of slices at or above a cut

k and the cut are those with the highest AUC over the validation patients. The threshold is the one with the highest
sensitivity + specificity − 1 on validation (Youden's index). Both are chosen on the validation subset of the cohort
that the model was trained on, and are applied unchanged to every other cohort.

References
----------
Youden, W. J. (1950). Index for rating diagnostic tests. Cancer 3, 32-35.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from lungsight.classes import PROBABILITY, places_of, probabilities_of, with_probabilities
from lungsight.evaluation.class_metrics import Costs, overall_metrics, overall_row, with_sum_1
from lungsight.evaluation.metrics import (
    THRESHOLD,
    Row,
    metrics_row,
    select_test_rows,
    truth_and_probability,
    weighted_metrics,
)
from lungsight.training.pipelines import PATIENT_CLASS, PATIENT_PREDICTION

SLICES, POOLED = "slice", "pooled"
FIXED, VALIDATION = "fixed", "validation"
LEFT_OUT = ("brier", "ece")  # the share of slices above a cut is not a probability

Parameter = float | None


def scores_in(table: pd.DataFrame, prefix: str = "p") -> list[str]:
    """Name the columns of a table with the probabilities of all classes; none with two classes."""
    return [name for name in table.columns if re.fullmatch(rf"{prefix}_[0-9]+", name)]


def _mean_by_patient(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Return patient, label and the means of columns under new names; a row per patient and label, in table order."""
    means = table.groupby(["patient", "label"], sort=False)[list(columns)].mean()
    return means.rename(columns=columns).reset_index()


def mean_of_slices(predictions: pd.DataFrame) -> pd.DataFrame:
    """Score each patient by the mean probability of their slices.

    Returns patient, label and probability; a row per patient and label, in table order. With more than two classes also
    p_1, p_2, ….
    """
    columns = [PROBABILITY, *scores_in(predictions)]
    return _mean_by_patient(predictions, dict(zip(columns, columns, strict=True)))


def patient_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Score each patient by the model's own prediction for the patient; returns columns as `mean_of_slices`.

    Folds by slice, once pooled, may hold several predictions for one patient: then it is their mean over slices.
    """
    own = scores_in(predictions, PATIENT_CLASS)
    return _mean_by_patient(
        predictions, {PATIENT_PREDICTION: PROBABILITY} | {name: name.removeprefix("patient_") for name in own}
    )


def patient_level(predictions: pd.DataFrame) -> pd.DataFrame:
    """Score each patient by the model's own prediction where there is one, else by the mean of the slices."""
    return patient_predictions(predictions) if PATIENT_PREDICTION in predictions else mean_of_slices(predictions)


def top_k(slices: pd.DataFrame, k: float) -> pd.DataFrame:
    """Score each patient by the mean of the k highest probabilities; of all where a patient has fewer slices.

    With more than two classes, each has its own k slices, and the means are divided by their sum.
    """
    columns = scores_in(slices) or [PROBABILITY]
    ranks = slices.groupby(["patient", "label"], sort=False)[columns].rank(method="first", ascending=False)
    if columns == [PROBABILITY]:
        return mean_of_slices(slices[ranks[PROBABILITY] <= k])
    return _of_sum_1(mean_of_slices(with_scores(slices, slices[columns].where(ranks <= k))))


def fraction(slices: pd.DataFrame, cut: float) -> pd.DataFrame:
    """Score each patient by the share of slices whose probability is at least `cut`.

    With more than two classes, the shares of the classes are divided by their sum.
    """
    columns = scores_in(slices) or [PROBABILITY]
    shares = mean_of_slices(with_scores(slices, (slices[columns] >= cut).astype(float)))
    return shares if columns == [PROBABILITY] else _of_sum_1(shares)


def with_scores(table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Replace the columns of a table that `scores` has."""
    return table.assign(**{str(name): scores[name] for name in scores})


def _of_sum_1(table: pd.DataFrame) -> pd.DataFrame:
    """Divide the scores of all classes in each row by their sum; where it is 0, they become equal."""
    scores = table[scores_in(table)].to_numpy(np.float64)
    return with_probabilities(table, with_sum_1(scores, np.ones(scores.shape[1], dtype=bool)))


class Aggregation(NamedTuple):
    """A way to score patients.

    Attributes
    ----------
    score
        Slices with patient, label and probability, and a parameter → a row per patient.
    parameters
        In order of preference, for ties on validation. (None,) where there is no parameter.
    """

    score: Callable[[pd.DataFrame, Parameter], pd.DataFrame]
    parameters: tuple[Parameter, ...]


def _without_parameter(score: Callable[[pd.DataFrame], pd.DataFrame]) -> Aggregation:
    def scored(slices: pd.DataFrame, parameter: Parameter) -> pd.DataFrame:
        return score(slices)

    return Aggregation(scored, (None,))


def _with_parameter(score: Callable[[pd.DataFrame, float], pd.DataFrame], *parameters: float) -> Aggregation:
    def scored(slices: pd.DataFrame, parameter: Parameter) -> pd.DataFrame:
        return score(slices, parameters[0] if parameter is None else parameter)

    return Aggregation(scored, parameters)


AGGREGATIONS = {
    POOLED: _without_parameter(patient_predictions),
    "mean": _without_parameter(mean_of_slices),
    "top_k": _with_parameter(top_k, 3, 1, 2, 5, 10),
    "fraction": _with_parameter(fraction, 0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9),
}


def auc_of(table: pd.DataFrame, positive: str, labels: Sequence[str]) -> float:
    """Compute the AUC of a table of scores, with more than two classes the macro AUC; NaN for one class."""
    ones = np.ones((1, len(table)))
    if len(labels) > 2:
        overall = overall_metrics(places_of(table["label"], labels), probabilities_of(table, labels), ones)
        return float(overall["macro_auc"][0])
    truth, scores = truth_and_probability(table, positive)
    return float(weighted_metrics(truth, scores, ones)["roc_auc"][0])


def best_parameter(name: str, validation: pd.DataFrame, positive: str, labels: Sequence[str] = ()) -> Parameter:
    """Choose the parameter with the highest AUC, of more than two classes the macro AUC, over the validation patients.

    Of equal parameters, and where validation has one class only, the first is taken.
    """
    score, parameters = AGGREGATIONS[name]
    if len(parameters) == 1 or validation.empty:
        return parameters[0]
    aucs = [
        float(np.nan_to_num(auc_of(score(validation, parameter), positive, labels), nan=-1)) for parameter in parameters
    ]
    return parameters[aucs.index(max(aucs))]


def best_threshold(table: pd.DataFrame, positive: str) -> float | None:
    """Choose the threshold with the highest sensitivity + specificity − 1, halfway between two scores.

    Parameters
    ----------
    table
        Columns label and probability.
    positive
        Label of the positive class.

    Returns
    -------
    Of equal thresholds the one nearest to 0.5; None where there is one class only.
    """
    truth, scores = truth_and_probability(table, positive)
    if truth.all() or not truth.any():
        return None
    distinct = np.unique(scores)
    candidates = np.r_[distinct[0], (distinct[1:] + distinct[:-1]) / 2]
    predicted = scores >= candidates[:, None]
    youden = predicted[:, truth].mean(axis=1) - predicted[:, ~truth].mean(axis=1)
    best = candidates[np.isclose(youden, youden.max())]
    return float(best[np.argmin(np.abs(best - THRESHOLD))])


class FittedAggregation(NamedTuple):
    """An aggregation ("slice" for none) with the parameter and the threshold that validation chose."""

    aggregation: str
    parameter: Parameter
    threshold: float | None

    def scores(self, slices: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that are classified: the slices themselves, or a row per patient."""
        if self.aggregation == SLICES:
            return slices
        return AGGREGATIONS[self.aggregation].score(slices, self.parameter)


def fit_aggregations(predictions: pd.DataFrame, positive: str, labels: Sequence[str] = ()) -> list[FittedAggregation]:
    """Fit single slices and every aggregation that the table allows on the validation rows of a prediction table."""
    validation = predictions[predictions["split"] == "val"]
    names = [name for name in AGGREGATIONS if name != POOLED or PATIENT_PREDICTION in predictions]
    chosen = [FittedAggregation(SLICES, None, None)]
    chosen += [FittedAggregation(name, best_parameter(name, validation, positive, labels), None) for name in names]
    return [fitted._replace(threshold=best_threshold(fitted.scores(validation), positive)) for fitted in chosen]


def evaluate_aggregations(
    predictions: pd.DataFrame,
    aggregations: list[FittedAggregation],
    positive: str,
    resamples: int,
    seed: int,
    labels: Sequence[str] = (),
    costs: Costs = None,
) -> list[Row]:
    """Compute the rows of report/aggregation.tsv for the test slices of one prediction table.

    Each aggregation has a row at threshold 0.5 and a row at its fitted threshold, where it has one. With more than two
    classes, a row holds the metrics of all classes as well, which follow from no threshold.
    """
    test = select_test_rows(predictions)
    rows: list[Row] = []
    for fitted in aggregations:
        scores = fitted.scores(test)
        overall: Row = overall_row(scores, labels, costs, resamples, seed) if len(labels) > 2 else {}
        identity: Row = {
            "unit": "slice" if fitted.aggregation == SLICES else "patient",
            "aggregation": fitted.aggregation,
            "parameter": fitted.parameter,
        }
        for source, threshold in ((FIXED, THRESHOLD), (VALIDATION, fitted.threshold)):
            if threshold is not None:
                row = metrics_row(scores, positive, resamples, seed, threshold)
                kept = {name: value for name, value in row.items() if not name.startswith(LEFT_OUT)}
                rows.append({**identity, "threshold_from": source, **kept, **overall})
    return rows
