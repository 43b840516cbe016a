"""Compute metrics of several classes from predictions alone, with patient-clustered intervals.

A row is predicted to be of the class with the highest probability, or with the least expected cost where the config
gives `evaluation.costs`. Of equal classes the first of `labels` is taken. In a run of two classes without costs that is
the first class at `probability ≥ 0.5`.

Of each class against the rest: sensitivity, specificity, precision, f1, roc_auc, brier and ece, as `metrics` has them
for the first class. Of all classes that the rows have:

- macro_f1, macro_auc, balanced_accuracy: the mean over the classes of f1, roc_auc and sensitivity
- hand_till: M, the mean over pairs of classes i, j of (A(i|j) + A(j|i)) / 2, where A(i|j) is the chance that a row of
  class i has a higher p_i than a row of class j; a tie counts half
- kappa: Cohen's, (p_o − p_e) / (1 − p_e), with p_o the share of rows predicted rightly and p_e the share that would be
  right by chance under the same numbers of each class

Each function computes for many weightings of the rows at once, as in `metrics`.

References
----------
Cohen, J. (1960). A coefficient of agreement for nominal scales.
Hand, D. J. and Till, R. J. (2001). A simple generalisation of the area under the ROC curve for multiple class
classification problems. Machine Learning 45, 171-186.
"""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from lungsight.classes import places_of, present, probabilities_of, with_probabilities
from lungsight.evaluation.intervals import (
    BoolArray,
    FloatArray,
    IntArray,
    has_interval,
    lone_classes,
    percentile_interval,
)
from lungsight.evaluation.metrics import (
    ENDS,
    Cell,
    Row,
    calibration_metrics,
    drawn_weights,
    drawn_within_classes,
    ratio,
    roc_auc,
)

OVERALL = ("macro_f1", "macro_auc", "hand_till", "balanced_accuracy", "kappa")
OF_CLASS = ("sensitivity", "specificity", "precision", "f1", "roc_auc", "brier", "ece")

Costs = Sequence[Sequence[float]] | None
Statistics = dict[str, FloatArray]
Compute = Callable[[IntArray, FloatArray, FloatArray, Costs], Statistics]


def decide(probabilities: FloatArray, costs: Costs = None) -> IntArray:
    """Predict the class of each row, (n,), its place in `labels`.

    Parameters
    ----------
    probabilities
        (n, k).
    costs
        (k, k): a row for each true class, a column for each predicted one. None: the most probable class is taken.
    """
    if costs is None:
        return probabilities.argmax(axis=1)
    return (probabilities @ np.asarray(costs, dtype=np.float64)).argmin(axis=1)


def confusion_matrices(truth: IntArray, predicted: IntArray, weights: FloatArray, k: int) -> FloatArray:
    """Count rows by true and predicted class, weighted in b ways.

    Parameters
    ----------
    truth, predicted
        (n,), 0 … k − 1.
    weights
        (b, n).

    Returns
    -------
    (b, k, k), true × predicted.
    """
    cells = np.eye(k * k)[truth * k + predicted]
    return (weights @ cells).reshape(len(weights), k, k)


def metrics_of_matrices(matrices: FloatArray) -> tuple[Statistics, FloatArray]:
    """Compute what follows from confusion matrices (b, k, k).

    Returns
    -------
    by class
        sensitivity, specificity, precision and f1, (b, k) each.
    kappa
        (b,).
    """
    right: FloatArray = np.diagonal(matrices, axis1=1, axis2=2)
    true, predicted = matrices.sum(axis=2), matrices.sum(axis=1)
    total = matrices.sum(axis=(1, 2))
    by_class = {
        "sensitivity": ratio(right, true),
        "specificity": ratio(total[:, None] - true - predicted + right, total[:, None] - true),
        "precision": ratio(right, predicted),
        "f1": ratio(2 * right, true + predicted),
    }
    agreed = ratio(right.sum(axis=1), total)
    by_chance = ratio((true * predicted).sum(axis=1), total**2)
    return by_class, ratio(agreed - by_chance, 1 - by_chance)


def hand_till(truth: IntArray, probabilities: FloatArray, weights: FloatArray, classes: Sequence[int]) -> FloatArray:
    """Compute Hand and Till's M over the pairs of some classes, weighted in b ways: (b,), NaN for one class.

    Parameters
    ----------
    truth
        (n,), the place of each row's class.
    probabilities
        (n, k).
    weights
        (b, n).
    classes
        Those that the rows have.
    """
    areas: list[FloatArray] = []
    for i, j in combinations(classes, 2):
        rows = np.flatnonzero((truth == i) | (truth == j))
        areas += [roc_auc(truth[rows] == of, probabilities[rows, of], weights[:, rows]) for of in (i, j)]
    return np.mean(areas, axis=0) if areas else np.full(len(weights), np.nan)


def by_class_metrics(
    truth: IntArray, probabilities: FloatArray, weights: FloatArray, costs: Costs = None
) -> Statistics:
    """Compute the metrics of each class against the rest, of predictions that are weighted in b ways.

    Parameters
    ----------
    truth
        (n,), the place of each row's class; n ≥ 1.
    probabilities
        (n, k).
    weights
        (b, n), not negative.
    costs
        As for `decide`.

    Returns
    -------
    OF_CLASS, (b, k) each.
    """
    k = probabilities.shape[1]
    by_class, _ = metrics_of_matrices(confusion_matrices(truth, decide(probabilities, costs), weights, k))
    scores = [_scores_of(truth == place, probabilities[:, place], weights) for place in range(k)]
    return by_class | {name: np.stack([score[name] for score in scores], axis=1) for name in scores[0]}


def _scores_of(truth: BoolArray, probability: FloatArray, weights: FloatArray) -> Statistics:
    return {
        "roc_auc": roc_auc(truth, probability, weights),
        **calibration_metrics(truth, probability, weights),
    }


def overall_metrics(truth: IntArray, probabilities: FloatArray, weights: FloatArray, costs: Costs = None) -> Statistics:
    """Compute the metrics over all classes that the rows have.

    Parameters as for `by_class_metrics`. Returns OVERALL, (b,) each.
    """
    k, classes = probabilities.shape[1], np.unique(truth)
    by_class, kappa = metrics_of_matrices(confusion_matrices(truth, decide(probabilities, costs), weights, k))
    areas = [roc_auc(truth == place, probabilities[:, place], weights) for place in classes]
    return {
        "macro_f1": by_class["f1"][:, classes].mean(axis=1),
        "macro_auc": np.mean(areas, axis=0),
        "hand_till": hand_till(truth, probabilities, weights, classes.tolist()),
        "balanced_accuracy": by_class["sensitivity"][:, classes].mean(axis=1),
        "kappa": kappa,
    }


def resampled(
    compute: Compute, table: pd.DataFrame, labels: Sequence[str], costs: Costs, resamples: int, seed: int
) -> Statistics:
    """Compute metrics under every draw of patients; none without two patients.

    A metric is NaN in every draw where a class that it divides by has one patient: one over all classes where any has.

    Parameters
    ----------
    compute
        `by_class_metrics` or `overall_metrics`.
    table
        Columns patient, label, and the probabilities of all classes; at least one row.
    labels
        The classes, in order.
    costs
        As for `decide`.
    resamples, seed
        Number of draws, and their seed.
    """
    if not resamples or table["patient"].nunique() < 2:
        return {}
    truth, probabilities = places_of(table["label"], labels), probabilities_of(table, labels)
    drawn = [compute(truth, probabilities, weights, costs) for weights in drawn_weights(table, resamples, seed)]
    values = {name: np.concatenate([batch[name] for batch in drawn]) for name in drawn[0]}
    lone, within = lone_classes(table), drawn_within_classes(table)
    for name, of_draws in values.items():
        if name in OVERALL:
            of_draws[:] = np.nan if lone else of_draws
        else:
            of_draws[:, [not has_interval(name, label, lone, within) for label in labels]] = np.nan
    return values


def overall_row(table: pd.DataFrame, labels: Sequence[str], costs: Costs, resamples: int, seed: int) -> Row:
    """Compute the metrics over all classes of a table, with the ends `_lo` and `_hi` of their 95 % intervals.

    Parameters as for `resampled`, but the table may be empty. A metric is None where it is undefined.
    """
    if table.empty:
        return {f"{name}{end}": None for name in OVERALL for end in ENDS}
    values = overall_metrics(*_once(table, labels), costs)
    drawn = resampled(overall_metrics, table, labels, costs, resamples, seed)
    columns = [_with_ends(name, values[name], drawn.get(name)) for name in OVERALL]
    return {column: _cell(value[0]) for metric in columns for column, value in metric.items()}


def rows_by_class(table: pd.DataFrame, labels: Sequence[str], costs: Costs, resamples: int, seed: int) -> list[Row]:
    """Compute for each class its name, its number of rows `n`, and its metrics with the ends of their intervals.

    Parameters as for `overall_row`.
    """
    if table.empty:
        nothing: Row = {f"{name}{end}": None for name in OF_CLASS for end in ENDS}
        return [{"class": label, "n": 0, **nothing} for label in labels]
    values = by_class_metrics(*_once(table, labels), costs)
    drawn = resampled(by_class_metrics, table, labels, costs, resamples, seed)
    columns = [_with_ends(name, values[name][0], drawn.get(name)) for name in OF_CLASS]
    counts = np.bincount(places_of(table["label"], labels), minlength=len(labels))
    return [
        {
            "class": label,
            "n": int(counts[place]),
            **{column: _cell(value[place]) for metric in columns for column, value in metric.items()},
        }
        for place, label in enumerate(labels)
    ]


def _once(table: pd.DataFrame, labels: Sequence[str]) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return the true classes, the probabilities, and weights that count every row once."""
    return places_of(table["label"], labels), probabilities_of(table, labels), np.ones((1, len(table)))


def _with_ends(name: str, value: FloatArray, drawn: FloatArray | None) -> dict[str, FloatArray]:
    """Give a metric (k,) and the ends of its interval their columns. drawn: (b, k) or (b,)."""
    if drawn is None:
        low = high = np.full(len(value), np.nan)
    else:
        low, high = percentile_interval(drawn.reshape(len(drawn), -1))
    return dict(zip((f"{name}{end}" for end in ENDS), (value, low, high), strict=True))


def _cell(value: float) -> Cell:
    return None if np.isnan(value) else float(value)


def confusion_rows(table: pd.DataFrame, labels: Sequence[str], costs: Costs) -> list[Row]:
    """Count the rows of a table by true and predicted class; a row for each pair, true classes first."""
    truth = places_of(table["label"], labels)
    predicted = decide(probabilities_of(table, labels), costs)
    (matrix,) = confusion_matrices(truth, predicted, np.ones((1, len(table))), len(labels))
    return [
        {"true": true, "predicted": called, "n": round(matrix[i, j])}
        for i, true in enumerate(labels)
        for j, called in enumerate(labels)
    ]


def renormalised(table: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame | None:
    """Give the probabilities of the classes that a cohort has the sum 1, and 0 to the others.

    Where all of them are 0, they become equal.

    Parameters
    ----------
    table
        The predictions for a cohort, of all subsets.
    labels
        More than two classes.

    Returns
    -------
    pandas.DataFrame or None
        None where the cohort has every class.
    """
    kept = present(labels, table["label"])
    if len(kept) == len(labels):
        return None
    has = np.array([label in kept for label in labels])
    probabilities = np.where(has, probabilities_of(table, labels), 0)
    return with_probabilities(table, with_sum_1(probabilities, has))


def with_sum_1(values: FloatArray, where: BoolArray) -> FloatArray:
    """Divide rows (n, k) by their sum; where it is 0, the columns `where` (k,) become equal."""
    total = values.sum(axis=1, keepdims=True)
    return np.where(total > 0, values / np.where(total > 0, total, 1), where / where.sum())
