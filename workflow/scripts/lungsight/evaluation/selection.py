"""Test whether what was left out of a study depends on the class: report/selection.tsv.

Rows are left out at intake, slices by quality control. Where one class loses more than another, what is left differs
from the patients who were meant, and so does every number that is computed on it.

The value of a patient is the share of the own rows or slices that was left out. A class's share is the mean over its
patients, with the interval of Korn & Graubard for proportions of clusters, which also holds at 0 and 1.

The statistic of the test is the largest Welch t between two classes. Its p-value comes from shuffling the classes of
the patients. That is exact where all patients have the same number of slices. Where they do not, the statistic is also
simulated under one share for all (beta-binomial, with the patients' own numbers of slices and their correlation), and
the larger p-value counts: shuffling alone raises too many alarms where few slices each stand against many.

References
----------
Korn & Graubard, Confidence intervals for proportions with small expected number of positive counts estimated from
survey data, Survey Methodology 24, 1998.
Janssen, Studentized permutation tests for non-i.i.d. hypotheses and the generalized Behrens-Fisher problem, Statistics
& Probability Letters 36, 1997.
Ridout, Demétrio & Firth, Estimating intraclass correlation for binary data, Biometrics 55, 1999.
Davison & Hinkley, Bootstrap Methods and their Application, Cambridge University Press 1997, chapter 4.
Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from lungsight.evaluation.intervals import LEVEL, BoolArray, FloatArray
from lungsight.evaluation.performance_differences import holm
from lungsight.tables import columns_of

DRAWS = 4999
SIGNIFICANT = 0.05
INTAKE, QUALITY_CONTROL = "intake", "quality control"
NOT_TESTED = "not tested: fewer than two classes have two patients"  # in words, where there is no p-value
_ELEMENTS_AT_ONCE = 1 << 22  # of drawn values, to bound memory


class Cohort(NamedTuple):
    """The tables of a labelled cohort. patients_known: False where each image counts as a patient."""

    name: str
    cases: pd.DataFrame
    slices: pd.DataFrame
    manifest: pd.DataFrame
    patients_known: bool


def share_with_interval(shares: FloatArray, units: int) -> tuple[float, float, float]:
    """Return the mean of patients' shares and its 95 % interval.

    Parameters
    ----------
    shares
        (n,) of n ≥ 1 patients, each in [0, 1].
    units
        Rows or slices of these patients together: no sample of them is worth more.
    """
    n, mean = len(shares), float(shares.mean())
    variance = float(shares.var(ddof=1)) / n if n > 1 else np.nan
    effective = float(n)
    if variance > 0:
        spread = float(stats.t.ppf((1 + LEVEL) / 2, max(units - 1, 1)) / stats.t.ppf((1 + LEVEL) / 2, n - 1))
        effective = min(float(units), mean * (1 - mean) / variance * spread**2)
    hits, tail = mean * effective, (1 - LEVEL) / 2
    low = float(stats.beta.ppf(tail, hits, effective - hits + 1)) if mean > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, effective - hits)) if mean < 1 else 1.0
    return mean, low, high


def largest_t(values: FloatArray, sizes: Sequence[int]) -> FloatArray:
    """Return the largest absolute Welch t between two classes, (b,).

    Parameters
    ----------
    values
        (b, n), the patients of a class side by side.
    sizes
        Patients of each class, at least two; they sum to n.
    """
    ends = np.cumsum(sizes)
    parts = [values[:, end - size : end] for end, size in zip(ends, sizes, strict=True)]
    means = [part.mean(axis=1) for part in parts]
    variances = [part.var(axis=1, ddof=1) / part.shape[1] for part in parts]
    largest: FloatArray = np.zeros(len(values))
    for first, second in combinations(range(len(sizes)), 2):
        difference = np.abs(means[first] - means[second])
        error = np.sqrt(variances[first] + variances[second])
        # Without any spread, a difference is beyond all chance.
        t = np.divide(difference, error, out=np.where(difference > 1e-12, np.inf, 0.0), where=error > 1e-12)
        largest = np.maximum(largest, t)
    return largest


def correlation_within(lost: FloatArray, units: FloatArray) -> float:
    """Estimate the correlation of two slices of a patient, in [0, 1), by the analysis of variance.

    Parameters
    ----------
    lost, units
        (n,) slices that were left out, and all slices, of each patient.
    """
    total, patients = float(units.sum()), len(units)
    if total <= patients:
        return 0.0
    mean, shares = float(lost.sum()) / total, lost / units
    between = float((units * (shares - mean) ** 2).sum()) / (patients - 1)
    within = float((lost * (1 - shares)).sum()) / (total - patients)
    typical = (total - float((units**2).sum()) / total) / (patients - 1)
    denominator = between + (typical - 1) * within
    return min(max((between - within) / denominator, 0.0), 0.999) if denominator > 0 else 0.0


def p_of_classes(
    shares: FloatArray, units: FloatArray, labels: "pd.Series[str]", seed: int, draws: int = DRAWS
) -> float:
    """Test whether patients' shares depend on their class.

    Parameters
    ----------
    shares, units, labels
        (n,), of n patients: share of their rows or slices that was left out, how many they have, their class. Classes
        with one patient do not count.
    seed, draws
        Of the shuffles, and of the simulation.

    Returns
    -------
    The p-value; NaN where no two classes have two patients. 1 where all shares are equal.
    """
    members = [np.flatnonzero((labels == str(name)).to_numpy()) for name in labels.unique()]
    members = [each for each in members if len(each) > 1]
    if len(members) < 2:
        return np.nan
    rows, sizes = np.concatenate(members), [len(each) for each in members]
    shares, units = shares[rows], units[rows]
    if np.ptp(shares) == 0:
        return 1.0
    observed = float(largest_t(shares[None], sizes)[0])
    rng = np.random.default_rng(seed)
    shuffled = (rng.permuted(np.tile(shares, (count, 1)), axis=1) for count in _batches(draws, len(rows)))
    by_shuffling = _share_reached(observed, shuffled, sizes)
    if np.ptp(units) == 0:
        return by_shuffling
    simulated = (_simulated(shares, units, count, rng) for count in _batches(draws, len(rows)))
    return max(by_shuffling, _share_reached(observed, simulated, sizes))


def _share_reached(observed: float, drawn: Iterable[FloatArray], sizes: Sequence[int]) -> float:
    """Return the share of the draws, the data themselves among them, whose statistic reaches the observed one."""
    statistics = np.concatenate([largest_t(values, sizes) for values in drawn])
    reached = (statistics >= observed) | np.isclose(statistics, observed)
    return (1 + int(reached.sum())) / (1 + len(statistics))


def _simulated(shares: FloatArray, units: FloatArray, draws: int, rng: np.random.Generator) -> FloatArray:
    """Draw shares of all patients under one mean share and one correlation within patients, (draws, n)."""
    mean, correlation = float(shares.mean()), correlation_within(shares * units, units)
    chance = np.full((draws, len(shares)), mean)
    if correlation > 1e-3:
        scale = 1 / correlation - 1
        chance = rng.beta(mean * scale, (1 - mean) * scale, chance.shape)
    return rng.binomial(units.astype(np.int64), chance) / units


def _batches(draws: int, n: int) -> Iterator[int]:
    """Divide the draws of n values into batches that fit memory."""
    at_once = max(1, _ELEMENTS_AT_ONCE // n)
    for start in range(0, draws, at_once):
        yield min(at_once, draws - start)


def selection_table(
    cohorts: Iterable[Cohort], input_views: Sequence[str], labels: Sequence[str], seed: int
) -> pd.DataFrame:
    """Compute report/selection.tsv: for each cohort what intake left out, and quality control of each input view.

    Parameters
    ----------
    cohorts
        The labelled cohorts.
    input_views
        "whole", "segmented" or both.
    labels
        The classes, in the config's order.
    seed
        Of the tests.

    Returns
    -------
    pandas.DataFrame
        A row for each class. `p_holm` corrects for all tests of the run.
    """
    tests = [rows for cohort in cohorts for rows in _tests_of(cohort, input_views, labels, seed)]
    if not tests:
        return pd.DataFrame(columns=columns_of("selection"))
    adjusted = holm(np.array([float(rows["p"].iloc[0]) for rows in tests]))
    corrected = [rows.assign(p_holm=p) for rows, p in zip(tests, adjusted, strict=True)]
    return pd.concat(corrected, ignore_index=True)[columns_of("selection")]


def _tests_of(cohort: Cohort, input_views: Sequence[str], labels: Sequence[str], seed: int) -> Iterator[pd.DataFrame]:
    identity = {"cohort": cohort.name, "patients_known": int(cohort.patients_known)}
    # What the user's own rule leaves out was never meant to be in the study.
    meant = cohort.cases[cohort.cases["status"] != "skipped"]
    lost = (meant["status"] == "rejected").to_numpy()
    parts = [(INTAKE, "", "row", meant, lost)]
    usable = cohort.cases.loc[cohort.cases["status"] == "ok", "case"]
    slices = cohort.slices[cohort.slices["case"].isin(usable)]
    decisions = cohort.manifest.set_index("slice")
    for view in input_views:
        parts.append(
            (QUALITY_CONTROL, view, "slice", slices, (slices["slice"].map(decisions[f"{view}_keep"]) != 1).to_numpy())
        )
    for excluded_by, view, unit, table, excluded in parts:
        rows = _class_rows(table, excluded, labels, seed)
        if not rows.empty:
            yield rows.assign(**identity, excluded_by=excluded_by, framework=view, unit=unit)


def _class_rows(table: pd.DataFrame, excluded: BoolArray, labels: Sequence[str], seed: int) -> pd.DataFrame:
    """Make a row for each class that occurs. table: patient, label. excluded: (n,) bool."""
    units = table[["patient", "label"]].assign(excluded=excluded.astype(np.float64))
    grouped = units.groupby(["label", "patient"], sort=False)["excluded"]
    patients = grouped.agg(["mean", "size"]).reset_index().rename(columns={"mean": "excluded", "size": "units"})
    rows: list[dict[str, object]] = []
    for label in labels:
        of_class, people = units[units["label"] == label], patients[patients["label"] == label]
        if people.empty:
            continue
        mean, low, high = share_with_interval(people["excluded"].to_numpy(np.float64), len(of_class))
        rows.append(
            {
                "label": label,
                "patients": len(people),
                "patients_kept": int((people["excluded"] < 1).sum()),
                "n": len(of_class),
                "kept": int((of_class["excluded"] == 0).sum()),
                "excluded": mean,
                "excluded_lo": low,
                "excluded_hi": high,
            }
        )
    shares, sizes = (patients[name].to_numpy(np.float64) for name in ("excluded", "units"))
    p = p_of_classes(shares, sizes, patients["label"], seed)
    return pd.DataFrame(rows).assign(p=p)
