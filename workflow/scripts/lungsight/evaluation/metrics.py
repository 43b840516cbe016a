"""Compute classification metrics from predictions alone, with patient-clustered intervals.

tp, fp, fn and tn count the rows at `probability ≥ threshold`. The positive class is the first of the config's `labels`.

- accuracy = (tp + tn) / n
- precision = tp / (tp + fp)
- recall = tp / (tp + fn)
- specificity = tn / (tn + fp)
- f1 = 2 tp / (2 tp + fp + fn)
- roc_auc: the chance that a positive row scores above a negative one; a tie counts half (Mann-Whitney)
- pr_auc: average precision, Σ (recall_k − recall_{k−1}) · precision_k over the distinct scores in falling order
- brier: the mean of (probability − truth)²
- ece: expected calibration error, Σ over bins of share of rows · |mean probability − share of positives|

The ten calibration bins have equal width: [0, 0.1), …, [0.9, 1].

Each function computes a metric for many weightings of the rows at once: a resample of patients weights every row by
the number of times its patient was drawn. A metric whose denominator is 0 is NaN, and null in files.

Under resamples, what counts rows follows from sums over patients (`patient_sums`), and so does roc_auc where patients
are few. These numbers are exact in either way. brier and ece add fractions, whose last digit depends on the order, and
pr_auc is no function of such sums: they are computed row by row.

References
----------
Brier, G. W. (1950). Verification of forecasts expressed in terms of probability.
Naeini, M. P. et al. (2015). Obtaining well calibrated probabilities using Bayesian binning.
"""

from collections.abc import Iterator, Sequence
from typing import TypedDict

import numpy as np
import pandas as pd

from lungsight.classes import class_columns
from lungsight.evaluation.intervals import (
    BoolArray,
    FloatArray,
    IntArray,
    draw_patients_of,
    has_interval,
    lone_classes,
    patient_numbers,
    percentile_interval,
)
from lungsight.evaluation.patient_sums import Draws, pairs_in_order

Cell = str | int | float | None
Row = dict[str, Cell]

THRESHOLD = 0.5
COUNTS = ("n", "tp", "fp", "fn", "tn")
METRICS = ("accuracy", "precision", "recall", "specificity", "f1", "roc_auc", "pr_auc", "brier", "ece")
ENDS = ("", "_lo", "_hi")  # a metric's column, and those of its interval
ECE_BINS = 10
BY_ROWS = ("pr_auc", "brier", "ece")
_ELEMENTS_AT_ONCE = 1 << 22  # of a weights matrix, to bound memory
_ELEMENTS_IN_CACHE = 1 << 17


def select_test_rows(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the test rows of a prediction table."""
    return predictions[predictions["split"] == "test"]


def truth_and_probability(table: pd.DataFrame, positive: str) -> tuple[BoolArray, FloatArray]:
    """Return whether each row is positive, and its probability; (n,) each."""
    return (table["label"] == positive).to_numpy(), table["probability"].to_numpy(np.float64)


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide elementwise; NaN where the denominator is 0."""
    undefined: FloatArray = np.full(np.shape(numerator), np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator != 0)


def confusion(
    truth: BoolArray, probability: FloatArray, weights: FloatArray, threshold: float
) -> dict[str, FloatArray]:
    """Count rows by truth and prediction, weighted in b ways.

    Parameters
    ----------
    truth
        (n,) whether a row is positive.
    probability
        (n,) in [0, 1].
    weights
        (b, n), not negative.
    threshold
        A row at or above it is predicted positive.

    Returns
    -------
    n, tp, fp, fn and tn, (b,) each.
    """
    cells = _cells(truth, probability, threshold)
    counted: dict[str, FloatArray] = {name: weights @ cell.astype(np.float64) for name, cell in cells.items()}
    return _with_total(counted)


def _cells(truth: BoolArray, probability: FloatArray, threshold: float) -> dict[str, BoolArray]:
    """Tell which rows are true and false positives and negatives."""
    predicted = probability >= threshold
    return {"tp": truth & predicted, "fp": ~truth & predicted, "fn": truth & ~predicted, "tn": ~truth & ~predicted}


def _with_total(counted: dict[str, FloatArray]) -> dict[str, FloatArray]:
    total = counted["tp"] + counted["fp"] + counted["fn"] + counted["tn"]
    return {"n": total} | counted


def roc_auc(truth: BoolArray, probability: FloatArray, weights: FloatArray) -> FloatArray:
    """Compute the weighted ROC AUC, (b,); parameters as for `confusion`."""
    order, starts = _levels(probability)
    ordered = weights[:, order]
    positives = np.add.reduceat(ordered * truth[order], starts, axis=1)
    negatives = np.add.reduceat(ordered * ~truth[order], starts, axis=1)
    true_positives = positives.cumsum(axis=1)
    won = (negatives * (true_positives - positives / 2)).sum(axis=1)
    return ratio(won, true_positives[:, -1] * negatives.sum(axis=1))


def average_precision(truth: BoolArray, probability: FloatArray, weights: FloatArray) -> FloatArray:
    """Compute the weighted average precision, (b,); parameters as for `confusion`."""
    order, starts = _levels(probability)
    return _average_precision(weights[:, order], truth[order], starts)


def _average_precision(ordered: FloatArray, truth: BoolArray, starts: IntArray) -> FloatArray:
    """Compute it of rows in falling order. starts: the first row of each level."""
    positives = np.add.reduceat(ordered * truth, starts, axis=1)
    predicted = np.add.reduceat(ordered, starts, axis=1).cumsum(axis=1)
    true_positives = positives.cumsum(axis=1)
    precision = np.divide(true_positives, predicted, out=np.zeros_like(true_positives), where=predicted > 0)
    return ratio((positives * precision).sum(axis=1), true_positives[:, -1])


def _levels(probability: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the falling order of rows, and the place in it of the first row of each distinct score."""
    order = np.argsort(-probability, kind="stable")
    falling = probability[order]
    return order, np.flatnonzero(np.r_[True, falling[1:] != falling[:-1]])


def calibration_bins(probability: FloatArray) -> IntArray:
    """Return the number of each row's calibration bin, 0 … ECE_BINS − 1."""
    return np.minimum((probability * ECE_BINS).astype(int), ECE_BINS - 1)


def calibration_metrics(truth: BoolArray, probability: FloatArray, weights: FloatArray) -> dict[str, FloatArray]:
    """Compute weighted brier and ece; parameters as for `confusion`."""
    total = weights.sum(axis=1)
    in_bin = np.eye(ECE_BINS)[calibration_bins(probability)] * (probability - truth)[:, None]
    return {
        "brier": ratio(weights @ (probability - truth) ** 2, total),
        "ece": ratio(np.abs(weights @ in_bin).sum(axis=1), total),
    }


class ReliabilityRow(TypedDict):
    """One bin of the reliability diagram, as report/reliability.tsv has it."""

    low: float
    high: float
    n: int
    mean_probability: float
    share_positive: float


def reliability_rows(predictions: pd.DataFrame, positive: str) -> list[ReliabilityRow]:
    """Compare mean probability and share of positives in each calibration bin that holds a test slice.

    Of the slices with a probability of about p, a calibrated model has a share of about p positive.
    """
    truth, probability = truth_and_probability(select_test_rows(predictions), positive)
    bins = calibration_bins(probability)
    return [
        {
            "low": number / ECE_BINS,
            "high": (number + 1) / ECE_BINS,
            "n": int((bins == number).sum()),
            "mean_probability": float(probability[bins == number].mean()),
            "share_positive": float(truth[bins == number].mean()),
        }
        for number in np.unique(bins)
    ]


def weighted_metrics(
    truth: BoolArray, probability: FloatArray, weights: FloatArray, threshold: float = THRESHOLD
) -> dict[str, FloatArray]:
    """Compute all counts and metrics of predictions that are weighted in b ways, (b,) each.

    Parameters as for `confusion`, with n ≥ 1.
    """
    counts = confusion(truth, probability, weights, threshold)
    return {
        **counts,
        **_of_counts(counts),
        "roc_auc": roc_auc(truth, probability, weights),
        "pr_auc": average_precision(truth, probability, weights),
        **calibration_metrics(truth, probability, weights),
    }


def _of_counts(counts: dict[str, FloatArray]) -> dict[str, FloatArray]:
    n, tp, fp, fn, tn = (counts[name] for name in COUNTS)
    return {
        "accuracy": ratio(tp + tn, n),
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
        "specificity": ratio(tn, tn + fp),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
    }


def drawn_within_classes(table: pd.DataFrame) -> bool:
    """Tell whether the patients of a table are drawn within each class: in runs of more than two."""
    return class_columns(1)[0] in table.columns or table["label"].nunique() > 2


def draws_of(table: pd.DataFrame, resamples: int, seed: int) -> Draws:
    """Draw the patients of a table.

    Parameters
    ----------
    table
        Columns patient and label, and p_1 in a run of more than two classes; at least one row.
    resamples, seed
        Number of draws of patients, and their seed.
    """
    drawn = draw_patients_of(table["patient"], table["label"], resamples, seed, drawn_within_classes(table))
    return Draws(patient_numbers(table["patient"]), drawn)


def drawn_weights(table: pd.DataFrame, resamples: int, seed: int) -> Iterator[FloatArray]:
    """Yield how often each row was drawn with its patient, (b, n), in batches of the resamples; as `draws_of`."""
    yield from draws_of(table, resamples, seed).weights(_ELEMENTS_AT_ONCE)


def resampled_metrics(
    table: pd.DataFrame,
    positive: str,
    resamples: int,
    seed: int,
    threshold: float = THRESHOLD,
    metrics: Sequence[str] = METRICS,
) -> FloatArray:
    """Compute metrics under every draw of patients.

    Two tables with the same rows in the same order get the same draws.

    Parameters
    ----------
    table
        Columns patient, label, probability; at least one row.
    positive
        Label of the positive class.
    resamples, seed
        Number of draws, and their seed.
    threshold
        As for `confusion`.
    metrics
        Those that are wanted; without BY_ROWS the time does not grow with rows times resamples.

    Returns
    -------
    (resamples, len(metrics)), in their order. NaN where a draw leaves a metric undefined, for example with one
    class only, and in every draw where a class that the metric divides by has one patient. No row without two patients.
    """
    truth, probability = truth_and_probability(table, positive)
    if not resamples or table["patient"].nunique() < 2:
        return np.empty((0, len(metrics)))
    draws = draws_of(table, resamples, seed)
    cells = _cells(truth, probability, threshold)
    values = _of_counts(_with_total({name: draws.totals(cell) for name, cell in cells.items()}))
    if "roc_auc" in metrics:
        values["roc_auc"] = _resampled_auc(truth, probability, draws)
    if set(BY_ROWS) & set(metrics):
        values |= _resampled_by_rows(truth, probability, draws)
    lone, within = lone_classes(table), drawn_within_classes(table)
    resampled = np.stack([values[metric] for metric in metrics], axis=1)
    resampled[:, [not has_interval(metric, positive, lone, within) for metric in metrics]] = np.nan
    return resampled


def _resampled_auc(truth: BoolArray, probability: FloatArray, draws: Draws) -> FloatArray:
    if not draws.has_few_patients:
        return np.concatenate([roc_auc(truth, probability, weights) for weights in draws.weights(_ELEMENTS_AT_ONCE)])
    pairs = draws.totals(truth) * draws.totals(~truth)
    return ratio(draws.pair_totals(pairs_in_order(truth, probability, draws.numbers, draws.patients)), pairs)


def _resampled_by_rows(truth: BoolArray, probability: FloatArray, draws: Draws) -> dict[str, FloatArray]:
    order, starts = _levels(probability)
    precision = [
        _average_precision(weights, truth[order], starts) for weights in draws.weights(_ELEMENTS_IN_CACHE, order)
    ]
    calibration = [calibration_metrics(truth, probability, weights) for weights in draws.weights(_ELEMENTS_AT_ONCE)]
    return {
        "pr_auc": np.concatenate(precision),
        **{metric: np.concatenate([batch[metric] for batch in calibration]) for metric in calibration[0]},
    }


def metrics_with_intervals(
    table: pd.DataFrame,
    positive: str,
    resamples: int,
    seed: int,
    threshold: float = THRESHOLD,
    metrics: Sequence[str] = METRICS,
) -> dict[str, float]:
    """Compute counts, all metrics, and of those that are wanted the ends `_lo` and `_hi` of their 95 % intervals.

    Parameters as for `resampled_metrics`, but the table may be empty. NaN where a value is undefined. An interval needs
    `resamples` > 0 and two patients, of each class that the metric divides by. A draw that leaves a metric undefined
    does not count for it.
    """
    if table.empty:
        return dict.fromkeys(COUNTS, 0.0) | {f"{metric}{end}": np.nan for metric in METRICS for end in ENDS}
    truth, probability = truth_and_probability(table, positive)
    point = weighted_metrics(truth, probability, np.ones((1, len(table))), threshold)
    resampled = resampled_metrics(table, positive, resamples, seed, threshold, metrics)
    low = high = np.full(len(metrics), np.nan)
    if len(resampled):
        low, high = percentile_interval(resampled)
    values = {name: float(value[0]) for name, value in point.items()}
    return (
        values
        | {f"{metric}_lo": float(end) for metric, end in zip(metrics, low, strict=True)}
        | {f"{metric}_hi": float(end) for metric, end in zip(metrics, high, strict=True)}
    )


def metrics_row(table: pd.DataFrame, positive: str, resamples: int, seed: int, threshold: float = THRESHOLD) -> Row:
    """Return `metrics_with_intervals` as JSON values, in the column order of report/metrics.tsv.

    Counts are whole numbers; an undefined metric is None.
    """
    values = metrics_with_intervals(table, positive, resamples, seed, threshold)
    ends = [f"{metric}{end}" for metric in METRICS for end in ENDS[1:]]
    return {
        "threshold": threshold,
        **{name: round(values[name]) for name in COUNTS},
        **{name: None if np.isnan(values[name]) else values[name] for name in (*METRICS, *ends)},
    }
