"""Widths of intervals: against published numbers, exact variances, and simulation against formula."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from lungsight.evaluation.planned_test_set import planned_test_set
from lungsight.evaluation.power_words import in_words
from lungsight.evaluation.sample_size import (
    Assumptions,
    TestSet,
    _aucs,
    distance_of,
    hanley_mcneil,
    hanley_mcneil_error,
    power_rows,
    simulated,
    simulated_values,
    wilson,
)
from lungsight.intake.cohort_table import TableRow
from lungsight.rows import PowerRow  # noqa: F401  # the type of what is tested

SETTINGS = {
    **{"cohorts": {"clinic": "target"}, "unit": "patient", "seed": 1, "labels": ["yes", "no"], "shared_ids": False},
    "splits": {"fractions": [0.5, 0.2, 0.3], "folds": 0, "fold": 1, "val_source": "", "test_source": ""},
}


def test_hanley_and_mcneil_by_hand() -> None:
    """An AUC of 0.893 from 51 and 58 patients, their example: Q1 = 0.8067, Q2 = 0.8425, so the error is 0.0325."""
    q1, q2 = 0.893 / 1.107, 2 * 0.893**2 / 1.893
    assert (q1, q2) == (pytest.approx(0.80668, abs=1e-5), pytest.approx(0.84252, abs=1e-5))
    variance = (0.893 * 0.107 + 50 * (q1 - 0.797449) + 57 * (q2 - 0.797449)) / (51 * 58)
    assert hanley_mcneil_error(0.893, 51, 58) == pytest.approx(variance**0.5)
    assert hanley_mcneil_error(0.893, 51, 58) == pytest.approx(0.0325, abs=5e-5)


@pytest.mark.parametrize(("positive", "negative"), [(10, 10), (7, 40)])
def test_at_chance_it_is_the_variance_of_the_rank_sum_test(positive: int, negative: int) -> None:
    """Mann and Whitney: (m + n + 1) / 12mn, which the formula has exactly at an AUC of 0.5."""
    exact = (positive + negative + 1) / (12 * positive * negative)
    assert hanley_mcneil_error(0.5, positive, negative) ** 2 == pytest.approx(exact)


def test_wilson_solves_its_equation() -> None:
    """Its ends are the shares p from which the found one is 1.96 standard errors away (Wilson 1927)."""
    for end in wilson(0.8, 50):
        assert abs(0.8 - end) == pytest.approx(norm.ppf(0.975) * np.sqrt(end * (1 - end) / 50))
    assert wilson(0.8, 50) == pytest.approx((0.6696, 0.8876), abs=1e-4)


def test_the_interval_of_an_auc_ends_at_one() -> None:
    assert hanley_mcneil(0.95, 5, 5)[1] == 1.0


def test_simulated_aucs_are_those_of_scikit_learn() -> None:
    truth = np.array([True] * 4 + [False] * 6)
    scores = np.random.default_rng(0).normal(size=(3, 10, 2))
    expected = [roc_auc_score(np.repeat(truth, 2), one.reshape(-1)) for one in scores]
    assert _aucs(scores, truth) == pytest.approx(expected)


@pytest.mark.parametrize(("measure", "value"), [("roc_auc", 0.8), ("accuracy", 0.7)])
def test_a_simulation_has_the_assumed_value_on_average(measure: str, value: float) -> None:
    values = simulated_values(measure, value, TestSet("c", 40, 40, 3), 0.5, 1000, seed=1)
    assert values.mean() == pytest.approx(value, abs=4 * values.std() / np.sqrt(1000))


@pytest.mark.parametrize("auc", [0.7, 0.8, 0.9])
def test_one_slice_a_patient_agrees_with_hanley_and_mcneil(auc: float) -> None:
    low, high = simulated("roc_auc", auc, TestSet("c", 60, 60, 1), 0.5, 2000, seed=1)
    by_formula = 2 * norm.ppf(0.975) * hanley_mcneil_error(auc, 60, 60)
    assert high - low == pytest.approx(by_formula, rel=0.1)


def test_one_slice_a_patient_agrees_with_the_binomial() -> None:
    low, high = simulated("accuracy", 0.8, TestSet("c", 100, 100, 1), 0.5, 4000, seed=1)
    assert high - low == pytest.approx(2 * norm.ppf(0.975) * np.sqrt(0.8 * 0.2 / 200), rel=0.1)


def test_correlated_slices_tell_as_little_as_patients() -> None:
    """Slices that are all alike are one observation; independent ones are as many as there are."""
    test = TestSet("c", 30, 30, 10)
    alike, half, independent = (np.ptp(simulated("roc_auc", 0.8, test, rho, 1000, seed=1)) for rho in (1, 0.5, 0))
    one = np.ptp(simulated("roc_auc", 0.8, TestSet("c", 30, 30, 1), 0.5, 1000, seed=1))
    assert alike == pytest.approx(one, rel=0.1)
    assert independent == pytest.approx(one / np.sqrt(10), rel=0.15)
    assert independent < half < alike


def test_the_distance_of_two_normal_distributions() -> None:
    assert norm.cdf(distance_of("roc_auc", 0.8) / np.sqrt(2)) == pytest.approx(0.8)
    assert norm.cdf(distance_of("accuracy", 0.8) / 2) == pytest.approx(0.8)


def rows_of(patients: int, images: int = 1, positive: int | None = None) -> list[TableRow]:
    positive = patients // 2 if positive is None else positive
    return [
        TableRow(
            patient * images + image + 1,
            f"P{patient}",
            f"{patient}-{image}",
            "yes" if patient < positive else "no",
            "",
            "",
            "",
        )
        for patient in range(patients)
        for image in range(images)
    ]


def test_test_patients_are_those_of_the_configured_split() -> None:
    test = planned_test_set("clinic", {"clinic": rows_of(20, images=4)}, SETTINGS, 1)
    assert (test.positive, test.negative, test.slices, test.note) == (3, 3, 4, "")
    series = planned_test_set("clinic", {"clinic": rows_of(20)}, SETTINGS, 30)
    assert series.slices == 30


def test_a_split_by_slice_is_named() -> None:
    test = planned_test_set("clinic", {"clinic": rows_of(20, images=4)}, SETTINGS | {"unit": "slice"}, 1)
    assert "says nothing about new patients" in test.note and test.positive + test.negative > 6


def test_a_cohort_without_a_class_has_no_auc() -> None:
    test = planned_test_set("clinic", {"clinic": rows_of(20, positive=20)}, SETTINGS, 30)
    rows = list(power_rows(test, Assumptions([0.8], [0.8], 0.5, 100), seed=1))
    assert [(row["measure"], row["method"], np.isnan(row["width"])) for row in rows] == [
        *(("accuracy", "Wilson", False), ("accuracy", "simulation", False)),
        *(("roc_auc", "Hanley-McNeil", True), ("roc_auc", "simulation", True)),
    ]
    assert rows[2]["note"] == "an AUC needs patients of both classes"


def test_the_printed_table_says_what_is_assumed() -> None:
    import pandas as pd

    rows = power_rows(TestSet("clinic", 25, 25, 3.0, "a note"), Assumptions([0.8], [0.8], 0.4, 100), seed=1)
    text = in_words(pd.DataFrame(list(rows)))
    assert "clinic  50 (25 + 25)   accuracy  patient  0.8       0.67–0.89      0.22   Wilson" in text
    assert "an assumed correlation of 0.4 within a patient" in text and text.endswith("clinic: a note.")
