"""Draw patients with replacement, and take 95 % percentile intervals: the patient-clustered bootstrap.

A patient is drawn with all of their slices. The slices of one patient resemble each other: drawing slices one by one
would make the intervals too narrow. Patients are numbered in the order in which they first appear. A result therefore
depends on the order of the table and on the seed, never on the pseudonyms.

In a run of more than two classes patients are drawn within each class: no resample then lacks one, and each has as many
patients of a class as the table. In a run of two they are drawn together. A class with one patient tells nothing of how
its patients differ: a metric that divides by the rows of a class has no interval then, and, where patients are drawn
within classes, no metric that divides by all rows has one.
"""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pandas as pd

LEVEL = 0.95
# Metrics of a class that divide by the rows of some classes alone; all others divide by rows of every class.
OF_OWN, OF_REST, OF_BOTH = ("recall", "sensitivity"), ("specificity",), ("roc_auc", "pr_auc")

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def patient_numbers(patients: "pd.Series[str]") -> IntArray:
    """Return the number of each row's patient, (n,): 0, 1, … in order of first appearance."""
    return pd.factorize(patients)[0]


def draw_patients(n_patients: int, resamples: int, seed: int) -> IntArray:
    """Draw patients with replacement.

    Returns
    -------
    (resamples, n_patients) int: how often each patient was drawn in each resample. A row sums to `n_patients`.
    """
    return np.random.default_rng(seed).multinomial(n_patients, np.full(n_patients, 1 / n_patients), size=resamples)


def draw_within_classes(patient_classes: IntArray, resamples: int, seed: int) -> IntArray:
    """Draw patients with replacement within each class. patient_classes: (n_patients,). Returns as `draw_patients`."""
    drawn = np.zeros((resamples, len(patient_classes)), np.int64)
    for number in np.unique(patient_classes):
        members = np.flatnonzero(patient_classes == number)
        rng = np.random.default_rng([seed, int(number)])
        drawn[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=resamples)
    return drawn


def draw_patients_of(
    patients: "pd.Series[str]", labels: "pd.Series[str]", resamples: int, seed: int, many: bool = False
) -> IntArray:
    """Draw the patients of a table: all together, or within each class where there are more than two.

    A patient with several labels is drawn within that of their first row.

    Parameters
    ----------
    patients, labels
        Of each row.
    resamples, seed
        Number of draws, and their seed.
    many
        Whether the run has more than two classes, whatever the table has.

    Returns
    -------
    As `draw_patients`, for the patients in the order of `patient_numbers`.
    """
    numbers, classes = patient_numbers(patients), pd.factorize(labels)[0]
    _, first = np.unique(numbers, return_index=True)
    if many or len(np.unique(classes)) > 2:
        return draw_within_classes(classes[first], resamples, seed)
    return draw_patients(len(first), resamples, seed)


def lone_classes(table: pd.DataFrame) -> set[str]:
    """Return the classes with rows of one patient alone. table: columns patient and label."""
    patients = table.groupby("label")["patient"].nunique()
    return set(patients.index[patients < 2])


def has_interval(metric: str, label: str, lone: Collection[str], within_classes: bool) -> bool:
    """Tell whether the classes that a metric divides by have two patients each.

    Parameters
    ----------
    metric, label
        The metric of a class against the rest, and that class.
    lone
        As `lone_classes` returns them.
    within_classes
        Whether patients are drawn within each class.
    """
    if metric in OF_OWN:
        return label not in lone
    if metric in OF_REST:
        return not set(lone) - {label}
    return not lone or not (within_classes or metric in OF_BOTH)


def percentile_interval(resampled: FloatArray, level: float = LEVEL) -> tuple[FloatArray, FloatArray]:
    """Return the lower and the upper end of the percentile interval along the first axis, by default of 95 %.

    A resample that left a metric undefined is NaN and does not count. Where all are NaN, both ends are NaN.
    """
    tail = (1 - level) / 2
    defined = ~np.isnan(resampled).all(axis=0)
    low, high = np.full((2, *resampled.shape[1:]), np.nan)
    if defined.any():
        low[defined], high[defined] = np.nanquantile(resampled[:, defined], [tail, 1 - tail], axis=0)
    return low, high


def mean_with_interval(
    values: FloatArray, patients: "pd.Series[str]", resamples: int, seed: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the mean over rows of each column, and its 95 % patient-clustered interval.

    Parameters
    ----------
    values
        (n, k), NaN where a value is missing.
    patients
        The patient of each row.
    resamples
        Number of draws; 0 gives no interval.
    seed
        Of the draws.

    Returns
    -------
    mean, low, high
        (k,) each. The mean is NaN where a column has no value. The ends are NaN where fewer than two patients have a
        value, and without resamples.
    """
    numbers = patient_numbers(patients)
    n_patients = int(numbers.max(initial=-1)) + 1
    present = ~np.isnan(values)
    sums, counts = np.zeros((2, n_patients, values.shape[1]))
    np.add.at(sums, numbers, np.where(present, values, 0))
    np.add.at(counts, numbers, present)
    totals: FloatArray = counts.sum(axis=0)
    mean = np.divide(sums.sum(axis=0), totals, out=np.full(totals.shape, np.nan), where=totals > 0)
    low, high = np.full((2, values.shape[1]), np.nan)
    if resamples and n_patients > 1:
        drawn = draw_patients(n_patients, resamples, seed)
        drawn_counts: FloatArray = drawn @ counts
        undefined: FloatArray = np.full(drawn_counts.shape, np.nan)
        means = np.divide(drawn @ sums, drawn_counts, out=undefined, where=drawn_counts > 0)
        low, high = percentile_interval(means)
        too_few = (counts > 0).sum(axis=0) < 2
        low[too_few] = high[too_few] = np.nan
    return mean, low, high
