"""How wide the 95 % interval of a result will be, from the number of test patients alone, before anything is trained.

References
----------
Wilson, JASA 22:209–212, 1927: the interval of a share. Hanley & McNeil, Radiology 143:29–36, 1982: the standard error
of an AUC. Eldridge, Ukoumunne & Carlin, International Statistical Review 77:378–394, 2009: correlation within clusters.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.stats import norm, rankdata

from lungsight.evaluation.intervals import LEVEL, BoolArray, FloatArray
from lungsight.rows import PowerRow

Z = float(norm.ppf(0.5 + LEVEL / 2))
ACCURACY, AUC = "accuracy", "roc_auc"
WILSON, HANLEY_MCNEIL, SIMULATION = "Wilson", "Hanley-McNeil", "simulation"
MOST_SLICES = 20  # of a patient in a simulation; more of them hardly change a correlated mean
AT_ONCE = 4_000_000  # scores in memory
ONE_CLASS = "an AUC needs patients of both classes"
NO_PATIENT = "no test patient"


class TestSet(NamedTuple):
    """The test patients of a cohort by class, the first class against the others, and their mean number of slices."""

    __test__ = False  # no test of pytest's

    cohort: str
    positive: int
    negative: int
    slices: float
    note: str = ""


class Assumptions(NamedTuple):
    """What is assumed: the config's `power`."""

    roc_auc: list[float]
    accuracy: list[float]
    intraclass_correlation: float
    simulations: int


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share that was found in n patients."""
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return centre - half, centre + half


def hanley_mcneil_error(auc: float, positive: int, negative: int) -> float:
    """Return Hanley and McNeil's standard error of an AUC."""
    two_positive, two_negative = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (
        auc * (1 - auc) + (positive - 1) * (two_positive - auc**2) + (negative - 1) * (two_negative - auc**2)
    ) / (positive * negative)
    return math.sqrt(variance)


def hanley_mcneil(auc: float, positive: int, negative: int) -> tuple[float, float]:
    """Return the 95 % interval of an AUC by Hanley and McNeil, cut at 0 and 1."""
    half = Z * hanley_mcneil_error(auc, positive, negative)
    return max(auc - half, 0.0), min(auc + half, 1.0)


def distance_of(measure: str, value: float) -> float:
    """Return the distance between the classes' mean scores, in standard deviations of a slice, that gives a value.

    Scores are normal with variance 1 in each class: the AUC is then Φ(d / √2), and the accuracy halfway is Φ(d / 2).
    """
    return float(norm.ppf(value)) * (math.sqrt(2) if measure == AUC else 2)


def simulated_values(
    measure: str, value: float, test: TestSet, correlation: float, simulations: int, seed: int
) -> FloatArray:
    """Simulate test sets of slices in patients, and measure each by slice.

    A slice's score is its class's mean, plus a part of its patient with the variance `correlation`, plus a part of its
    own. Correlated slices of few patients tell less than as many independent ones.

    Returns
    -------
    (simulations,) float: the measure of each simulated test set.
    """
    rng = np.random.default_rng(seed)
    slices = min(max(round(test.slices), 1), MOST_SLICES)
    truth = np.arange(test.positive + test.negative) < test.positive
    means = np.where(truth, 0.5, -0.5)[None, :, None] * distance_of(measure, value)
    batch = max(AT_ONCE // (len(truth) * slices), 1)
    values: list[FloatArray] = []
    for start in range(0, simulations, batch):
        sets = min(batch, simulations - start)
        scores = means + rng.normal(scale=math.sqrt(correlation), size=(sets, len(truth), 1))
        scores = scores + rng.normal(scale=math.sqrt(1 - correlation), size=(sets, len(truth), slices))
        values.append(_accuracies(scores, truth) if measure == ACCURACY else _aucs(scores, truth))
    return np.concatenate(values)


def _accuracies(scores: FloatArray, truth: BoolArray) -> FloatArray:
    """Measure the accuracy halfway between the classes. scores: (sets, patients, slices)."""
    return ((scores > 0) == truth[None, :, None]).mean(axis=(1, 2))


def _aucs(scores: FloatArray, truth: BoolArray) -> FloatArray:
    """Measure the AUC by slice, from the sum of ranks. scores: (sets, patients, slices)."""
    ranks = rankdata(scores.reshape(len(scores), -1), axis=1).reshape(scores.shape)
    positive, negative = (int(side.sum()) * scores.shape[2] for side in (truth, ~truth))
    sums: FloatArray = ranks[:, truth].sum(axis=(1, 2))
    return (sums - positive * (positive + 1) / 2) / (positive * negative)


def simulated(
    measure: str, value: float, test: TestSet, correlation: float, simulations: int, seed: int
) -> tuple[float, float]:
    """Return the ends between which 95 % of simulated results lie."""
    values = simulated_values(measure, value, test, correlation, simulations, seed)
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def power_rows(test: TestSet, assumed: Assumptions, seed: int) -> Iterator[PowerRow]:
    """Yield the rows of power.tsv for one cohort."""
    patients = test.positive + test.negative
    for measure, values, method in ((ACCURACY, assumed.accuracy, WILSON), (AUC, assumed.roc_auc, HANLEY_MCNEIL)):
        possible = patients > 0 if measure == ACCURACY else min(test.positive, test.negative) > 0
        why_not = NO_PATIENT if not patients else ONE_CLASS
        for value in values:
            ends = None
            if possible:
                ends = (
                    wilson(value, patients)
                    if measure == ACCURACY
                    else hanley_mcneil(value, test.positive, test.negative)
                )
            yield _row(test, measure, "patient", method, value, ends, None, why_not)
            if possible:
                ends = simulated(measure, value, test, assumed.intraclass_correlation, assumed.simulations, seed)
            yield _row(test, measure, "slice", SIMULATION, value, ends, assumed.intraclass_correlation, why_not)


def _row(
    test: TestSet,
    measure: str,
    unit: str,
    method: str,
    assumed: float,
    ends: tuple[float, float] | None,
    correlation: float | None,
    why_not: str,
) -> PowerRow:
    low, high = ends or (math.nan, math.nan)
    return PowerRow(
        cohort=test.cohort,
        measure=measure,
        unit=unit,
        method=method,
        assumed=assumed,
        patients=test.positive + test.negative,
        positive=test.positive,
        negative=test.negative,
        slices=test.slices,
        intraclass_correlation=math.nan if correlation is None else correlation,
        low=low,
        high=high,
        width=high - low,
        note=test.note or ("" if ends else why_not),
    )
