"""Classification metrics from predictions alone, with patient-clustered intervals.

With tp, fp, fn, tn counted at probability ≥ threshold, the positive class being the first of `labels`:

accuracy (tp+tn)/n · precision tp/(tp+fp) · recall tp/(tp+fn) · specificity tn/(tn+fp) · f1 2tp/(2tp+fp+fn)
roc_auc: chance that a positive scores above a negative, ties counting half (Mann-Whitney)
pr_auc: average precision, Σ (recall_k − recall_{k−1}) · precision_k over the distinct scores in falling order
brier: mean of (probability − truth)²
ece: expected calibration error (Naeini 2015) over ten bins of equal width, [0, 0.1), …, [0.9, 1]:
Σ share of the bin · |mean probability − share of positives in it|

All are computed for many weightings of the rows at once: a resample of patients is a weighting by whole numbers.
A metric whose denominator is 0 is NaN, and null in files.
"""

from typing import Any

import numpy as np
import pandas as pd

from lungsight.evaluation.intervals import draw_patients, patient_numbers, percentile_interval

THRESHOLD = 0.5
PATIENT_PREDICTION = "patient_probability"  # column of a network that answers a patient from all slices together
COUNTS = ("n", "tp", "fp", "fn", "tn")
METRICS = ("accuracy", "precision", "recall", "specificity", "f1", "roc_auc", "pr_auc", "brier", "ece")
ECE_BINS = 10
_ELEMENTS_AT_ONCE = 1 << 22  # of a weights matrix, to bound memory


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Elementwise quotient, NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator != 0)


def confusion(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray, threshold: float) -> dict[str, Any]:
    """Weighted n, tp, fp, fn, tn. truth: (n,) bool. probability: (n,). weights: (b, n). Returns (b,) float64 each."""
    predicted = probability >= threshold
    cells = {"tp": truth & predicted, "fp": ~truth & predicted, "fn": truth & ~predicted, "tn": ~truth & ~predicted}
    counted = {name: weights @ cell.astype(np.float64) for name, cell in cells.items()}
    return {"n": sum(counted.values())} | counted


def ranking_metrics(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Weighted roc_auc and pr_auc; arguments as for `confusion`."""
    order = np.argsort(-probability, kind="stable")
    falling = probability[order]
    starts = np.flatnonzero(np.r_[True, falling[1:] != falling[:-1]])
    ordered = weights[:, order]
    positives = np.add.reduceat(ordered * truth[order], starts, axis=1)
    negatives = np.add.reduceat(ordered * ~truth[order], starts, axis=1)
    found, false = positives.cumsum(axis=1), negatives.cumsum(axis=1)
    all_positives, all_negatives = found[:, -1], false[:, -1]
    won = (negatives * (found - positives / 2)).sum(axis=1)
    predicted = found + false
    precision = np.divide(found, predicted, out=np.zeros_like(found), where=predicted > 0)
    return {
        "roc_auc": _ratio(won, all_positives * all_negatives),
        "pr_auc": _ratio((positives * precision).sum(axis=1), all_positives),
    }


def calibration_metrics(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Weighted brier and ece; arguments as for `confusion`."""
    total = weights.sum(axis=1)
    bins = np.minimum((probability * ECE_BINS).astype(int), ECE_BINS - 1)
    in_bin = np.eye(ECE_BINS)[bins] * (probability - truth)[:, None]
    return {
        "brier": _ratio(weights @ (probability - truth) ** 2, total),
        "ece": _ratio(np.abs(weights @ in_bin).sum(axis=1), total),
    }


def weighted_metrics(
    truth: np.ndarray, probability: np.ndarray, weights: np.ndarray, threshold: float = THRESHOLD
) -> dict[str, np.ndarray]:
    """All counts and metrics, (b,) float64 each, of predictions weighted in b ways.

    truth: (n,) bool. probability: (n,) float64, n ≥ 1. weights: (b, n), not negative.
    """
    counts = confusion(truth, probability, weights, threshold)
    n, tp, fp, fn, tn = (counts[name] for name in COUNTS)
    return {
        **counts,
        "accuracy": _ratio(tp + tn, n),
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        **ranking_metrics(truth, probability, weights),
        **calibration_metrics(truth, probability, weights),
    }


def mean_of_slices(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row per patient and label, in table order, with the mean probability of the patient's slices."""
    return predictions.groupby(["patient", "label"], sort=False, as_index=False)["probability"].mean()


def patient_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row per patient and label, in table order, with what the network itself answers of the patient.

    Where slices of one patient were answered by several networks (folds by slice, pooled) it is their mean, by slices.
    """
    of_patients = predictions.groupby(["patient", "label"], sort=False, as_index=False)[PATIENT_PREDICTION].mean()
    return of_patients.rename(columns={PATIENT_PREDICTION: "probability"})


def patient_level(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row per patient and label: the network's own answer where there is one, else the mean of the slices."""
    return patient_predictions(predictions) if PATIENT_PREDICTION in predictions else mean_of_slices(predictions)


def resampled_metrics(
    table: pd.DataFrame, positive: str, resamples: int, seed: int, threshold: float = THRESHOLD
) -> np.ndarray:
    """(resamples, len(METRICS)) float64: every metric under every draw of patients.

    table: columns patient, label, probability, at least one row. The same patients are drawn for every table that has
    the same rows in the same order. Draws that leave a metric undefined (one class only) give NaN; without two patients
    there are none.
    """
    truth, probability = (table["label"] == positive).to_numpy(), table["probability"].to_numpy(np.float64)
    numbers = patient_numbers(table["patient"])
    n_patients = numbers.max() + 1
    if not resamples or n_patients < 2:
        return np.empty((0, len(METRICS)))
    drawn = draw_patients(n_patients, resamples, seed)
    parts = np.array_split(drawn, -(-resamples * len(table) // _ELEMENTS_AT_ONCE))
    found = [weighted_metrics(truth, probability, part[:, numbers].astype(np.float64), threshold) for part in parts]
    return np.stack([np.concatenate([part[metric] for part in found]) for metric in METRICS], axis=1)


def metrics_with_intervals(
    table: pd.DataFrame, positive: str, resamples: int, seed: int, threshold: float = THRESHOLD
) -> dict[str, float]:
    """Counts, metrics and the ends `_lo`, `_hi` of their 95 % intervals, NaN where undefined.

    table: columns patient, label, probability. Intervals need two patients and `resamples` > 0; draws that leave a
    metric undefined (one class only) do not count for it.
    """
    if table.empty:
        return dict.fromkeys(COUNTS, 0.0) | {f"{m}{end}": np.nan for m in METRICS for end in ("", "_lo", "_hi")}
    truth, probability = (table["label"] == positive).to_numpy(), table["probability"].to_numpy(np.float64)
    point = weighted_metrics(truth, probability, np.ones((1, len(table))), threshold)
    resampled = resampled_metrics(table, positive, resamples, seed, threshold)
    low = high = np.full(len(METRICS), np.nan)
    if len(resampled):
        low, high = percentile_interval(resampled)
    values = {name: float(value[0]) for name, value in point.items()}
    return (
        values
        | {f"{metric}_lo": float(end) for metric, end in zip(METRICS, low, strict=True)}
        | {f"{metric}_hi": float(end) for metric, end in zip(METRICS, high, strict=True)}
    )


def metrics_row(
    table: pd.DataFrame, positive: str, resamples: int, seed: int, threshold: float = THRESHOLD
) -> dict[str, float | int | None]:
    """`metrics_with_intervals` as JSON values in the order of report/metrics.tsv: counts whole, undefined null."""
    found = metrics_with_intervals(table, positive, resamples, seed, threshold)
    ends = [f"{metric}{end}" for metric in METRICS for end in ("_lo", "_hi")]
    return {
        "threshold": threshold,
        **{name: round(found[name]) for name in COUNTS},
        **{name: None if np.isnan(found[name]) else found[name] for name in (*METRICS, *ends)},
    }


def evaluate_predictions(predictions: pd.DataFrame, positive: str, resamples: int, seed: int) -> list[dict[str, Any]]:
    """The test rows of one prediction table as two rows of metrics, by slice and by patient."""
    test = predictions[predictions["split"] == "test"]
    units = {"slice": test, "patient": patient_level(test)}
    return [{"unit": unit, **metrics_row(table, positive, resamples, seed)} for unit, table in units.items()]
