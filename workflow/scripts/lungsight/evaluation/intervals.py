"""Patient-clustered bootstrap: patients are drawn with replacement, each with all of its slices.

Slices of one patient are alike; drawing slices would make intervals too narrow. Patients count in the order in which
they first appear, so a result depends on the table's order and the seed, never on the pseudonyms.
"""

import numpy as np
import pandas as pd

LEVEL = 0.95


def patient_numbers(patients: pd.Series) -> np.ndarray:
    """(n,) int: for each row the number of its patient, 0, 1, … in order of first appearance."""
    return pd.factorize(patients)[0]


def draw_patients(n_patients: int, resamples: int, seed: int) -> np.ndarray:
    """(resamples, n_patients) int: how often each patient was drawn in each resample; rows sum to n_patients."""
    return np.random.default_rng(seed).multinomial(n_patients, np.full(n_patients, 1 / n_patients), size=resamples)


def percentile_interval(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of the 95 % percentile interval along the first axis.

    NaN resamples (a metric that a draw left undefined) do not count; all NaN gives NaN.
    """
    tail = (1 - LEVEL) / 2
    defined = ~np.isnan(resampled).all(axis=0)
    low, high = np.full((2, *resampled.shape[1:]), np.nan)
    if defined.any():
        low[defined], high[defined] = np.nanquantile(resampled[:, defined], [tail, 1 - tail], axis=0)
    return low, high


def mean_with_interval(
    values: np.ndarray, patients: pd.Series, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over rows of each column, and its 95 % patient-clustered interval.

    values: (n, k), NaN where a value is missing. Returns three (k,) float64: mean, low, high; NaN where nothing is
    there, and an interval of NaN where fewer than two patients have a value or resamples is 0.
    """
    numbers = patient_numbers(patients)
    n_patients = int(numbers.max(initial=-1)) + 1
    present = ~np.isnan(values)
    sums, counts = np.zeros((2, n_patients, values.shape[1]))
    np.add.at(sums, numbers, np.where(present, values, 0))
    np.add.at(counts, numbers, present)
    totals = counts.sum(axis=0)
    mean = np.divide(sums.sum(axis=0), totals, out=np.full(values.shape[1], np.nan), where=totals > 0)
    low, high = np.full((2, values.shape[1]), np.nan)
    if resamples and n_patients > 1:
        drawn = draw_patients(n_patients, resamples, seed)
        drawn_counts = drawn @ counts
        means = np.divide(drawn @ sums, drawn_counts, out=np.full(drawn_counts.shape, np.nan), where=drawn_counts > 0)
        low, high = percentile_interval(means)
        alone = (counts > 0).sum(axis=0) < 2
        low[alone] = high[alone] = np.nan
    return mean, low, high
