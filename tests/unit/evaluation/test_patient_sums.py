"""Sums over patients against plain loops over rows, and resampled metrics against scikit-learn on rows drawn anew."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from lungsight.evaluation import patient_sums
from lungsight.evaluation.metrics import (
    METRICS,
    average_precision,
    drawn_weights,
    draws_of,
    metrics_with_intervals,
    resampled_metrics,
    roc_auc,
    weighted_metrics,
)
from lungsight.evaluation.patient_sums import Draws, pairs_in_order
from tests.factories.tables import NEGATIVE, POSITIVE
from tests.unit.evaluation.test_metrics import by_scikit_learn, ece_by_loop, made_predictions


def mixed_predictions(digits: int, seed: int = 0) -> pd.DataFrame:
    """Make predictions of patients who have positive and negative slices."""
    table = made_predictions(n=80, seed=seed, digits=digits)
    positive = np.random.default_rng(seed + 9).random(len(table)) < 0.5
    return table.assign(label=np.where(positive, POSITIVE, NEGATIVE))


def columns(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return (table["label"] == POSITIVE).to_numpy(), table["probability"].to_numpy()


@pytest.mark.parametrize("digits", [1, 6])
def test_pairs_in_order_are_those_of_a_loop_over_rows(digits: int) -> None:
    table = mixed_predictions(digits)
    truth, score = columns(table)
    numbers = pd.factorize(table["patient"])[0]
    expected = np.zeros((12, 12))
    for i, j in product(range(len(table)), repeat=2):
        if truth[i] and not truth[j]:
            expected[numbers[i], numbers[j]] += (score[i] > score[j]) + (score[i] == score[j]) / 2
    np.testing.assert_array_equal(pairs_in_order(truth, score, numbers, 12), expected)
    assert (expected % 1 > 0).any(), "no tie among these scores"


def test_one_class_has_no_pairs() -> None:
    truth, score = np.ones(4, bool), np.arange(4.0)
    for one in (truth, ~truth):
        assert not pairs_in_order(one, score, np.array([0, 0, 1, 1]), 2).any()


def test_totals_and_weights_count_every_drawn_row() -> None:
    draws = Draws(np.array([0, 1, 1, 2]), np.array([[3, 0, 0], [1, 2, 0], [0, 0, 3]]))
    np.testing.assert_array_equal(draws.totals(np.array([True, True, False, True])), [3, 3, 3])
    np.testing.assert_array_equal(draws.totals(np.array([False, True, True, False])), [0, 4, 0])
    for elements in (1, 8, 1000):
        rows = np.concatenate(list(draws.weights(elements)))
        np.testing.assert_array_equal(rows, [[3, 0, 0, 0], [1, 2, 2, 0], [0, 0, 0, 3]])
    turned = np.concatenate(list(draws.weights(8, np.array([3, 2, 1, 0]))))
    np.testing.assert_array_equal(turned, rows[:, ::-1])


@pytest.mark.parametrize(("digits", "mixed"), [(1, False), (6, False), (1, True), (6, True)])
def test_every_resample_equals_scikit_learn_on_the_rows_of_the_drawn_patients(digits: int, mixed: bool) -> None:
    """Rows are copied as often as their patient was drawn: slow, and without a weight or a sum of this library."""
    table = mixed_predictions(digits) if mixed else made_predictions(digits=digits)
    resampled = resampled_metrics(table, POSITIVE, 15, 5)
    groups = [rows for _, rows in table.groupby("patient", sort=False)]
    for found, counts in zip(resampled, draws_of(table, 15, 5).drawn, strict=True):
        drawn = pd.concat([rows for rows, count in zip(groups, counts, strict=True) for _ in range(count)])
        truth, probability = columns(drawn)
        if 0 < truth.sum() < len(truth) and (probability >= 0.5).any():
            expected = by_scikit_learn(truth, probability, np.ones(len(drawn)))
            expected |= {"ece": ece_by_loop(truth, probability)}
            assert dict(zip(METRICS, found, strict=True)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("digits", [1, 6])
def test_sums_over_patients_give_the_numbers_of_rows_to_the_last_bit(
    digits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = mixed_predictions(digits)
    truth, probability = columns(table)
    by_sums = resampled_metrics(table, POSITIVE, 200, 5)
    (weights,) = drawn_weights(table, 200, 5)
    by_rows = weighted_metrics(truth, probability, weights)
    assert draws_of(table, 200, 5).has_few_patients
    np.testing.assert_array_equal(by_sums, np.stack([by_rows[metric] for metric in METRICS], axis=1))
    monkeypatch.setattr(patient_sums, "MOST_PATIENTS", 2)
    assert not draws_of(table, 200, 5).has_few_patients
    np.testing.assert_array_equal(resampled_metrics(table, POSITIVE, 200, 5), by_sums)


def test_some_metrics_are_those_of_all() -> None:
    table = made_predictions()
    wanted = ("roc_auc", "recall", "brier")
    some, every = (resampled_metrics(table, POSITIVE, 50, 5, metrics=names) for names in (wanted, METRICS))
    np.testing.assert_array_equal(some, every[:, [METRICS.index(metric) for metric in wanted]])
    of_some = metrics_with_intervals(table, POSITIVE, 50, 5, metrics=wanted)
    of_every = metrics_with_intervals(table, POSITIVE, 50, 5)
    assert of_some.items() <= of_every.items()
    assert {name for name in of_every if name not in of_some} == {
        f"{metric}{end}" for metric in set(METRICS) - set(wanted) for end in ("_lo", "_hi")
    }


def test_where_every_row_is_a_patient_no_table_of_pairs_is_made() -> None:
    many = Draws(np.arange(20_000), np.ones((1, 20_000), np.int64))
    few = Draws(np.arange(75_000) % 500, np.ones((1, 500), np.int64))
    assert few.has_few_patients and not many.has_few_patients


def test_a_draw_without_a_class_has_no_area() -> None:
    truth, score, weights = (
        np.array([True, False]),
        np.array([0.9, 0.1]),
        np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]]),
    )
    np.testing.assert_array_equal(roc_auc(truth, score, weights), [1, np.nan, np.nan])
    np.testing.assert_array_equal(average_precision(truth, score, weights), [1, 1, np.nan])
