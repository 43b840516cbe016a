"""The rows of the audit's tables: one number each, with its interval, its value at chance, or why it is missing."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from lungsight.evaluation.aggregation import patient_level
from lungsight.evaluation.intervals import draw_patients, patient_numbers, percentile_interval
from lungsight.evaluation.metrics import ranking_metrics
from lungsight.rows import AuditRow
from lungsight.wording import number

Interval = tuple[float, float]
# A statistic of n weighted rows: weights (b, n) → (b,), NaN where a weighting leaves it undefined.
Statistic = Callable[[np.ndarray], np.ndarray]

AUC_CHANCE = 0.5
UNMODIFIED = "intact"  # the variant without an intervention
FULLY_RANDOMISED = "all"  # the variant of parameter randomisation in which nothing learned is left
DIFFERENCE = "map − random"  # the variant of deletion and insertion that compares a map with random numbers
# Maps depend on the model where their rank correlation with those of a network with random weights lies below this.
SIMILAR = 0.5
_ELEMENTS_AT_ONCE = 1 << 22  # of a weights matrix, to bound memory


class Estimate(NamedTuple):
    """A number with its interval; NaN where there is none."""

    value: float = np.nan
    low: float = np.nan
    high: float = np.nan

    def above(self, level: float) -> bool:
        """Tell whether the whole interval lies above a level."""
        return self.low > level

    def below(self, level: float) -> bool:
        """Tell whether the whole interval lies below a level."""
        return self.high < level

    def __str__(self) -> str:
        """Write the number with its interval, `0.91 (0.85–0.96)`."""
        between = "" if np.isnan(self.low) else f" ({number(self.low)}–{number(self.high)})"
        return f"{number(self.value)}{between}"


def audit_row(
    test: str,
    variant: str,
    measure: str,
    value: float = np.nan,
    interval: Interval = (np.nan, np.nan),
    *,
    unit: str = "patient",
    n: int = 0,
    chance: float = np.nan,
    reason: str = "",
) -> AuditRow:
    """Make one row of an audit table. reason: why there is no value."""
    return AuditRow(
        test=test,
        variant=variant,
        measure=measure,
        unit=unit,
        n=n,
        value=value,
        value_lo=interval[0],
        value_hi=interval[1],
        chance=chance,
        reason=reason,
    )


def clustered_interval(
    statistic: Statistic, patients: "pd.Series[str]", resamples: int, seed: int
) -> tuple[float, Interval]:
    """Compute a statistic of weighted rows, and its 95 % patient-clustered bootstrap interval.

    Parameters
    ----------
    statistic
        A function of weights (b, n).
    patients
        (n,), the patient of each row.
    resamples
        How often patients are drawn with replacement, each with all rows.

    Returns
    -------
    tuple
        The value, and the ends of its interval. The ends are NaN where there are fewer than two patients or resamples
        is 0.
    """
    point = float(statistic(np.ones((1, len(patients))))[0])
    numbers = patient_numbers(patients)
    n_patients = int(numbers.max(initial=-1)) + 1
    if not resamples or n_patients < 2:
        return point, (np.nan, np.nan)
    drawn = draw_patients(n_patients, resamples, seed)
    parts = np.array_split(drawn, -(-resamples * len(patients) // _ELEMENTS_AT_ONCE))
    values = np.concatenate([statistic(part[:, numbers].astype(np.float64)) for part in parts])
    low, high = percentile_interval(values[:, None])
    return point, (float(low[0]), float(high[0]))


def auc_statistic(truth: np.ndarray, score: np.ndarray) -> Statistic:
    """Make the ROC AUC of a score (n,) against truth (n,) bool a statistic of weighted rows."""
    return lambda weights: ranking_metrics(truth, score, weights)["roc_auc"]


def by_unit(table: pd.DataFrame, probability: np.ndarray) -> dict[str, pd.DataFrame]:
    """Give patient, label and probability by patient (the mean over slices) and by slice.

    Parameters
    ----------
    table
        A row per slice: patient, label.
    probability
        (n,), of the positive class.
    """
    slices = table[["patient", "label"]].assign(probability=probability)
    return {"patient": patient_level(slices), "slice": slices}


def auc_row(
    test: str, variant: str, table: pd.DataFrame, positive: str, resamples: int, seed: int, unit: str
) -> AuditRow:
    """Make the row of a ROC AUC. table: patient, label, probability, one row per unit."""
    truth = (table["label"] == positive).to_numpy()
    n = len(table)
    if truth.all() or not truth.any():
        return audit_row(test, variant, "roc_auc", unit=unit, n=n, reason="one class only")
    statistic = auc_statistic(truth, table["probability"].to_numpy(np.float64))
    value, interval = clustered_interval(statistic, table["patient"], resamples, seed)
    return audit_row(test, variant, "roc_auc", value, interval, unit=unit, n=n, chance=AUC_CHANCE)
