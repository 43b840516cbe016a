"""Patient-clustered intervals against arithmetic and a loop."""

import numpy as np
import pandas as pd
import pytest

from lungsight.evaluation.intervals import draw_patients, mean_with_interval, patient_numbers, percentile_interval


def test_patients_count_in_order_of_appearance() -> None:
    assert patient_numbers(pd.Series(["z", "a", "z", "b"])).tolist() == [0, 1, 0, 2]


def test_a_draw_has_as_many_patients_as_there_are_and_is_reproducible() -> None:
    drawn = draw_patients(7, 50, seed=1)
    assert (drawn.sum(axis=1) == 7).all()
    assert (drawn == draw_patients(7, 50, seed=1)).all()
    assert (drawn != draw_patients(7, 50, seed=2)).any()


def repeat_rows(rows: np.ndarray, times: int) -> np.ndarray:
    return np.repeat(rows, times, axis=0)


def test_mean_and_interval_are_those_of_whole_patients_drawn_one_by_one() -> None:
    rng = np.random.default_rng(0)
    patients = pd.Series(np.repeat(list("abcdef"), [1, 2, 3, 4, 5, 6]))
    values = rng.normal(size=(21, 2)) + patients.map(ord).to_numpy()[:, None]
    mean, low, high = mean_with_interval(values, patients, resamples=300, seed=9)
    np.testing.assert_allclose(mean, values.mean(axis=0))
    by_patient = [values[(patients == name).to_numpy()] for name in "abcdef"]
    resampled = np.array(
        [
            np.concatenate(list(map(repeat_rows, by_patient, draw))).mean(axis=0)
            for draw in draw_patients(6, 300, seed=9)
        ]
    )
    np.testing.assert_allclose([low, high], np.quantile(resampled, [0.025, 0.975], axis=0))


def test_missing_values_do_not_count() -> None:
    patients = pd.Series(list("aabbcc"))
    values = np.array([1.0, np.nan, 3.0, 3.0, np.nan, np.nan])[:, None]
    mean, low, high = mean_with_interval(values, patients, resamples=100, seed=0)
    assert mean[0] == pytest.approx(7 / 3)
    assert (low[0], high[0]) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("values", "patients", "resamples"),
    [
        ([1.0, 2.0], "aa", 100),
        ([1.0, np.nan], "ab", 100),
        ([np.nan, np.nan], "ab", 100),
        ([1.0, 2.0], "ab", 0),
        ([], "", 100),
    ],
)
def test_no_interval_without_two_patients_or_resamples(values: list, patients: str, resamples: int) -> None:
    _, low, high = mean_with_interval(np.array(values).reshape(-1, 1), pd.Series(list(patients)), resamples, seed=0)
    assert np.isnan([low, high]).all()


def test_interval_skips_undefined_resamples() -> None:
    low, high = percentile_interval(np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, np.nan]]))
    assert (low[0], high[0]) == (1.025, 1.975)
    assert np.isnan([low[1], high[1]]).all()
