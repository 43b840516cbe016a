"""The rows of the audit's tables: one number each, with its interval, its value at chance, or why it is missing."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from lungsight.audit.pairs import PairScores, Statistic
from lungsight.evaluation.intervals import (
    LEVEL,
    draw_patients,
    draw_patients_of,
    lone_classes,
    patient_numbers,
    percentile_interval,
)
from lungsight.rows import AuditRow
from lungsight.wording import number

Interval = tuple[float, float]

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
    statistic: Statistic,
    patients: "pd.Series[str]",
    resamples: int,
    seed: int,
    level: float = LEVEL,
    labels: "pd.Series[str] | None" = None,
) -> tuple[float, Interval]:
    """Compute a statistic of weighted rows, and its patient-clustered bootstrap interval.

    Parameters
    ----------
    statistic
        A function of weights (b, n).
    patients
        (n,), the patient of each row.
    resamples
        How often patients are drawn with replacement, each with all rows.
    seed
        Of the draws.
    level
        Of the interval.
    labels
        (n,), the class of each row, within which patients are drawn. None: they are drawn together.

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
    if labels is None:
        drawn = draw_patients(n_patients, resamples, seed)
    else:
        drawn = draw_patients_of(patients, labels, resamples, seed, many=True)
    parts = np.array_split(drawn, -(-resamples * len(patients) // _ELEMENTS_AT_ONCE))
    values = np.concatenate([statistic(part[:, numbers].astype(np.float64)) for part in parts])
    low, high = percentile_interval(values[:, None], level)
    return point, (float(low[0]), float(high[0]))


def interval_of_pairs(
    scores: PairScores, statistic: Statistic, resamples: int, seed: int, level: float = LEVEL
) -> tuple[float, Interval]:
    """Compute a statistic of the rows of some scores, with its interval; the other arguments as `clustered_interval`'s.

    With more than two classes patients are drawn within each class, and none has an interval where one has one patient.
    """
    patients, labels = scores.table["patient"], scores.table["label"]
    if not scores.many:
        return clustered_interval(statistic, patients, resamples, seed, level)
    drawn = 0 if lone_classes(scores.table) else resamples
    return clustered_interval(statistic, patients, drawn, seed, level, labels)


def auc_row(test: str, variant: str, scores: PairScores, resamples: int, seed: int, unit: str) -> AuditRow:
    """Make the row of a ROC AUC, with more than two classes the mean over their pairs. scores: a row per unit."""
    n = len(scores.table)
    if not scores.measured:
        return audit_row(test, variant, "roc_auc", unit=unit, n=n, reason="one class only")
    value, interval = interval_of_pairs(scores, scores.statistic(), resamples, seed)
    return audit_row(test, variant, "roc_auc", value, interval, unit=unit, n=n, chance=AUC_CHANCE)
