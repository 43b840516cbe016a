"""Spread over replicates, ranks, and the interval over repeated splits, against numpy, scipy and a simulation."""

import numpy as np
import pytest
from scipy.stats import rankdata, t

from lungsight.evaluation.replicates import FEWEST_SPLITS, interval_over_splits, ranks_in_each, spread_of


def test_the_spread_is_that_of_the_known_values() -> None:
    values = [0.7, 0.9, np.nan, 0.8]
    found = spread_of(values)
    assert found == pytest.approx((0.8, 0.1, 0.7, 0.9, 3))
    assert found.sd == pytest.approx(np.nanstd(values, ddof=1))


def test_one_value_has_no_standard_deviation_and_none_has_nothing() -> None:
    assert spread_of([0.5]) == pytest.approx((0.5, np.nan, 0.5, 0.5, 1), nan_ok=True)
    assert spread_of([np.nan]) == pytest.approx((np.nan, np.nan, np.nan, np.nan, 0), nan_ok=True)


def test_ranks_are_those_of_scipy_within_each_replicate() -> None:
    values = np.random.default_rng(0).integers(0, 4, (6, 5)).astype(float)
    np.testing.assert_array_equal(ranks_in_each(values), rankdata(-values, method="min", axis=1))
    assert ranks_in_each(np.array([[0.7, np.nan, 0.9]])).tolist() == [[2, 3, 1]]


def test_the_interval_over_splits_is_the_corrected_t() -> None:
    values = np.array([0.1, 0.2, 0.15, 0.3, 0.25])
    low, high = interval_over_splits(values, test_over_train=0.25)
    # Nadeau and Bengio (2003), by hand: mean 0.2, s² 0.00625, s² (1/5 + 1/4).
    reach = t.ppf(0.975, 4) * np.sqrt(0.00625 * 0.45)
    assert (low, high) == pytest.approx((0.2 - reach, 0.2 + reach))
    naive = t.interval(0.95, 4, values.mean(), values.std(ddof=1) / np.sqrt(5))
    assert low < naive[0] and high > naive[1]


def test_few_splits_have_no_interval() -> None:
    assert np.isnan(interval_over_splits([0.1] * (FEWEST_SPLITS - 1) + [np.nan], 0.25)).all()
