"""Metrics and reliability against scikit-learn, calibration error and intervals against plain loops."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as peer
from sklearn.calibration import calibration_curve

from lungsight.evaluation.intervals import draw_patients
from lungsight.evaluation.metrics import (
    ECE_BINS,
    METRICS,
    metrics_row,
    metrics_with_intervals,
    reliability_rows,
    weighted_metrics,
)
from tests.factories.evaluation import made_prediction_table
from tests.factories.tables import NEGATIVE, POSITIVE


def made_predictions(n: int = 60, seed: int = 0, digits: int = 1) -> pd.DataFrame:
    """Make slices of 12 patients; with few digits, ranks tie and probabilities lie on the edges of bins."""
    rng = np.random.default_rng(seed)
    patient = np.sort(rng.integers(0, 12, n))
    truth = patient % 2 == 0
    probability = np.clip(rng.normal(np.where(truth, 0.6, 0.4), 0.25), 0, 1).round(digits)
    label = np.where(truth, POSITIVE, NEGATIVE)
    names = np.array([f"{number:016x}" for number in range(12)])[patient]
    return pd.DataFrame({"patient": names, "label": label, "split": "test", "probability": probability})


def by_scikit_learn(truth: np.ndarray, probability: np.ndarray, weight: np.ndarray) -> dict[str, float]:
    predicted = probability >= 0.5
    kwargs = {"sample_weight": weight}
    return {
        "accuracy": peer.accuracy_score(truth, predicted, **kwargs),
        "precision": peer.precision_score(truth, predicted, **kwargs),
        "recall": peer.recall_score(truth, predicted, **kwargs),
        "specificity": peer.recall_score(~truth, ~predicted, **kwargs),
        "f1": peer.f1_score(truth, predicted, **kwargs),
        "roc_auc": peer.roc_auc_score(truth, probability, **kwargs),
        "pr_auc": peer.average_precision_score(truth, probability, **kwargs),
        "brier": peer.brier_score_loss(truth, probability, **kwargs),
    }


def ece_by_loop(truth: np.ndarray, probability: np.ndarray) -> float:
    total = 0.0
    for number in range(10):
        upper = probability <= 1 if number == 9 else probability < (number + 1) / 10
        chosen = (probability >= number / 10) & upper
        if chosen.any():
            total += chosen.mean() * abs(probability[chosen].mean() - truth[chosen].mean())
    return total


@pytest.mark.parametrize("digits", [1, 6])
def test_every_metric_equals_scikit_learn_under_any_weights(digits: int) -> None:
    table = made_predictions(digits=digits)
    truth, probability = (table["label"] == POSITIVE).to_numpy(), table["probability"].to_numpy()
    weights = np.random.default_rng(1).integers(0, 4, (25, len(table))).astype(float)
    computed = weighted_metrics(truth, probability, weights)
    for number, weight in enumerate(weights):
        expected = by_scikit_learn(truth, probability, weight)
        assert {name: computed[name][number] for name in expected} == pytest.approx(expected, abs=1e-12)
        tn, fp, fn, tp = peer.confusion_matrix(truth, probability >= 0.5, sample_weight=weight).ravel()
        assert [computed[name][number] for name in ("tp", "fp", "fn", "tn")] == [tp, fp, fn, tn]


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_equals_a_loop_over_bins(seed: int) -> None:
    table = made_predictions(seed=seed, digits=6)
    truth, probability = (table["label"] == POSITIVE).to_numpy(), table["probability"].to_numpy()
    error = weighted_metrics(truth, probability, np.ones((1, len(table))))["ece"][0]
    assert error == pytest.approx(ece_by_loop(truth, probability), abs=1e-12)


def test_calibration_error_by_hand() -> None:
    """Bins [0.2, 0.3): 2 of 4, mean 0.25, none positive; [0.9, 1]: 2 of 4, mean 0.95, half positive."""
    truth, probability = np.array([False, False, True, False]), np.array([0.2, 0.29, 1.0, 0.9])
    error = weighted_metrics(truth, probability, np.ones((1, 4)))["ece"][0]
    assert error == pytest.approx(0.5 * 0.245 + 0.5 * 0.45)


def test_intervals_equal_patients_drawn_one_by_one() -> None:
    table = made_predictions()
    values = metrics_with_intervals(table, POSITIVE, resamples=60, seed=4)
    patients = [rows for _, rows in table.groupby("patient", sort=False)]
    resampled: dict[str, list[float]] = {"accuracy": [], "roc_auc": [], "ece": []}
    for counts in draw_patients(len(patients), 60, seed=4):
        drawn = pd.concat([rows for rows, count in zip(patients, counts, strict=True) for _ in range(count)])
        truth, probability = (drawn["label"] == POSITIVE).to_numpy(), drawn["probability"].to_numpy()
        resampled["accuracy"].append(np.mean((probability >= 0.5) == truth))
        resampled["ece"].append(ece_by_loop(truth, probability))
        if len(np.unique(truth)) == 2:
            resampled["roc_auc"].append(peer.roc_auc_score(truth, probability))
    for metric, of_draws in resampled.items():
        ends = [values[f"{metric}_lo"], values[f"{metric}_hi"]]
        np.testing.assert_allclose(ends, np.quantile(of_draws, [0.025, 0.975]), atol=1e-12)


def test_resampling_in_batches_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    table = made_predictions()
    whole = metrics_with_intervals(table, POSITIVE, resamples=100, seed=4)
    monkeypatch.setattr("lungsight.evaluation.metrics._ELEMENTS_AT_ONCE", 500)
    assert metrics_with_intervals(table, POSITIVE, resamples=100, seed=4) == pytest.approx(whole, abs=1e-12)


def test_an_undefined_metric_is_null() -> None:
    one_class = made_predictions().query("label == @NEGATIVE").assign(probability=0.25)
    row = metrics_row(one_class, POSITIVE, resamples=50, seed=0)
    undefined = {metric for metric in METRICS if row[metric] is None}
    assert undefined == {"precision", "recall", "f1", "roc_auc", "pr_auc"}
    assert (row["accuracy"], row["specificity"], row["brier"]) == (1.0, 1.0, 0.0625)
    assert all(row[f"{metric}_lo"] is None for metric in undefined)
    json.dumps(row, allow_nan=False)
    empty = metrics_row(one_class.head(0), POSITIVE, resamples=50, seed=0)
    assert empty["n"] == 0
    assert all(empty[metric] is None for metric in METRICS)


def test_no_interval_from_one_patient() -> None:
    row = metrics_row(made_predictions().assign(patient="0" * 16), POSITIVE, resamples=50, seed=0)
    assert row["roc_auc"] is not None
    assert row["roc_auc_lo"] is None


def test_reliability_equals_scikit_learn() -> None:
    table = made_prediction_table(2.0)
    test = table[table["split"] == "test"]
    share, mean = calibration_curve(test["label"] == POSITIVE, test["probability"], n_bins=ECE_BINS)
    rows = reliability_rows(table, POSITIVE)
    np.testing.assert_allclose([row["share_positive"] for row in rows], share)
    np.testing.assert_allclose([row["mean_probability"] for row in rows], mean)
    assert sum(row["n"] for row in rows) == len(test)
    assert reliability_rows(table.assign(split="val"), POSITIVE) == []


def test_reliability_and_calibration_error_use_the_same_bins() -> None:
    table = made_predictions(digits=1)  # probabilities on the edges of bins
    rows = reliability_rows(table, POSITIVE)
    error = sum(row["n"] / len(table) * abs(row["mean_probability"] - row["share_positive"]) for row in rows)
    assert metrics_row(table, POSITIVE, resamples=0, seed=0)["ece"] == pytest.approx(error, abs=1e-12)
