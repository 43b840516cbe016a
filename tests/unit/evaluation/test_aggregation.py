"""Scores of patients and thresholds, against plain loops and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as peer

from lungsight.evaluation.aggregation import (
    AGGREGATIONS,
    best_parameter,
    best_threshold,
    evaluate_aggregations,
    fit_aggregations,
    patient_level,
)
from lungsight.evaluation.metrics import metrics_row
from lungsight.training.pipelines import PATIENT_PREDICTION
from tests.factories.evaluation import made_prediction_table
from tests.factories.tables import NEGATIVE, POSITIVE


def test_patient_scores_equal_a_loop_over_patients() -> None:
    table = made_prediction_table(1.0).sample(frac=1, random_state=1)  # rows of patients interleaved
    expected = {
        ("mean", None): lambda p: p.mean(),
        ("top_k", 3): lambda p: np.sort(p)[-3:].mean(),
        ("top_k", 10): lambda p: p.mean(),
        ("fraction", 0.4): lambda p: (p >= 0.4).mean(),
    }
    for (name, parameter), score in expected.items():
        scores = AGGREGATIONS[name].score(table, parameter).set_index("patient")["probability"]
        by_loop = {patient: score(rows["probability"].to_numpy()) for patient, rows in table.groupby("patient")}
        assert scores.to_dict() == pytest.approx(by_loop)


def test_top_k_takes_k_slices_also_where_probabilities_tie() -> None:
    table = pd.DataFrame({"patient": ["a"] * 4, "label": [POSITIVE] * 4, "probability": [0.5, 0.5, 0.5, 0.1]})
    assert AGGREGATIONS["top_k"].score(table, 2)["probability"].tolist() == [0.5]


def test_the_parameter_has_the_best_validation_auc_and_test_rows_do_not_count() -> None:
    """Positive patients have one lesion slice among many clear ones: the highest slice separates, the mean does not."""
    rng = np.random.default_rng(0)
    rows = [
        {"patient": f"{n:016x}", "label": POSITIVE if n % 2 else NEGATIVE, "probability": value, "split": "val"}
        for n in range(20)
        for value in np.r_[rng.uniform(0, 0.5, 6), 0.9 if n % 2 else 0.55]
    ]
    validation = pd.DataFrame(rows)
    aucs = {}
    for k in AGGREGATIONS["top_k"].parameters:
        scores = AGGREGATIONS["top_k"].score(validation, k)
        aucs[k] = peer.roc_auc_score(scores["label"] == POSITIVE, scores["probability"])
    chosen = best_parameter("top_k", validation, POSITIVE)
    assert aucs[chosen] == max(aucs.values()) > aucs[10]
    swapped = validation.assign(split="test", label=np.where(validation["label"] == POSITIVE, NEGATIVE, POSITIVE))
    both = fit_aggregations(pd.concat([validation, swapped], ignore_index=True), POSITIVE)
    assert both == fit_aggregations(validation, POSITIVE)


@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_has_the_highest_youden_index_of_scikit_learns_roc(seed: int) -> None:
    table = made_prediction_table(1.0, seed=seed).round({"probability": 2})
    truth = table["label"] == POSITIVE
    fpr, tpr, _ = peer.roc_curve(truth, table["probability"], drop_intermediate=False)
    threshold = best_threshold(table, POSITIVE)
    predicted = table["probability"] >= threshold
    assert predicted[truth].mean() - predicted[~truth].mean() == pytest.approx((tpr - fpr).max())
    assert threshold not in set(table["probability"])  # halfway between two scores


def test_the_threshold_nearest_to_a_half_wins_a_tie_and_one_class_has_none() -> None:
    table = pd.DataFrame({"label": [NEGATIVE, POSITIVE], "probability": [0.2, 0.6]})
    assert best_threshold(table, POSITIVE) == pytest.approx(0.4)
    # At 0.2 and at 0.6 the index is ½.
    two = pd.DataFrame({"label": [NEGATIVE, POSITIVE] * 2, "probability": [0.1, 0.3, 0.5, 0.7]})
    assert best_threshold(two, POSITIVE) == pytest.approx(0.6)
    assert best_threshold(table[table["label"] == POSITIVE], POSITIVE) is None
    assert best_threshold(table.head(0), POSITIVE) is None


def test_rows_use_the_parameter_and_threshold_that_validation_chose() -> None:
    table = made_prediction_table(1.5)
    fitted = fit_aggregations(table, POSITIVE)
    rows = evaluate_aggregations(table, fitted, POSITIVE, resamples=40, seed=1)
    assert [(row["aggregation"], row["threshold_from"]) for row in rows] == [
        (name, source) for name in ("slice", "mean", "top_k", "fraction") for source in ("fixed", "validation")
    ]
    test = table[table["split"] == "test"]
    scores = fitted[2].scores(test)
    expected = metrics_row(scores, POSITIVE, 40, 1, fitted[2].threshold)
    assert rows[5]["parameter"] == fitted[2].parameter
    assert {name: rows[5][name] for name in ("threshold", "accuracy", "recall_lo", "roc_auc")} == {
        name: expected[name] for name in ("threshold", "accuracy", "recall_lo", "roc_auc")
    }
    predicted = scores["probability"] >= fitted[2].threshold
    assert rows[5]["accuracy"] == pytest.approx(peer.accuracy_score(scores["label"] == POSITIVE, predicted))
    one_class = table[(table["split"] == "test") | (table["label"] == POSITIVE)]
    rows = evaluate_aggregations(one_class, fit_aggregations(one_class, POSITIVE), POSITIVE, 0, 1)
    assert {row["threshold_from"] for row in rows} == {"fixed"}


def test_a_patient_has_the_models_own_prediction_or_the_mean_of_the_slices() -> None:
    table = pd.DataFrame(
        {
            "patient": ["b", "b", "a"],
            "label": [POSITIVE, POSITIVE, NEGATIVE],
            "probability": [0.9, 0.3, 0.5],
        }
    )
    expected = {"patient": ["b", "a"], "label": [POSITIVE, NEGATIVE], "probability": [pytest.approx(0.6), 0.5]}
    assert patient_level(table).to_dict("list") == expected
    own = patient_level(table.assign(**{PATIENT_PREDICTION: [0.7, 0.7, 0.2]}))
    assert own["probability"].tolist() == [0.7, 0.2]
