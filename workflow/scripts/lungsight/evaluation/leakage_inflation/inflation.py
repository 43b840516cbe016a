"""Compute report/leakage_inflation.tsv: metrics of each condition on its own test subset, and the inflation of the AUC.

Inflation is the AUC under the split by slice minus the AUC under the split by patient.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from lungsight.evaluation.intervals import FloatArray, IntArray, draw_patients_of, lone_classes, percentile_interval
from lungsight.evaluation.leakage_inflation.settings import LABELS, LEAKAGE_CONDITIONS, LeakageCondition
from lungsight.evaluation.metrics import ENDS, Row, metrics_row, roc_auc, truth_and_probability

METRICS = ("accuracy", "roc_auc")


class Inflation(NamedTuple):
    """A difference of AUCs, with the ends of its 95 % interval; NaN where undefined."""

    value: float
    low: float
    high: float


UNDEFINED = Inflation(np.nan, np.nan, np.nan)


def row_of_condition(
    tested: pd.DataFrame, condition: LeakageCondition, positive: str, resamples: int, seed: int
) -> Row:
    """Compute one row of report/leakage_inflation.tsv without pipeline, cohort and inflation.

    Metrics are by slice; their intervals draw patients.

    Parameters
    ----------
    tested
        Columns patient, label and probability of the condition's test subset; empty where it could not be trained.
    condition
        The condition.
    positive
        Label of the positive class.
    resamples, seed
        Of the intervals.
    """
    metrics = metrics_row(tested, positive, resamples, seed)
    return {
        "labels": condition.labels,
        "unit": condition.unit,
        "slices": len(tested),
        "patients": tested["patient"].nunique(),
        **{f"{metric}{end}": metrics[f"{metric}{end}"] for metric in METRICS for end in ENDS},
    }


def _auc(tested: pd.DataFrame, numbers: IntArray, positive: str, drawn: IntArray) -> FloatArray:
    """Compute the AUC under each draw of patients, (b,). numbers: the patient of each row. drawn: (b, patients)."""
    truth, probability = truth_and_probability(tested, positive)
    return roc_auc(truth, probability, drawn[:, numbers].astype(np.float64))


def inflation_of(
    by_slice: pd.DataFrame, by_patient: pd.DataFrame, positive: str, resamples: int, seed: int
) -> Inflation:
    """Compute the AUC under the split by slice minus the AUC under the split by patient.

    Each draw of patients serves both test subsets: a patient who is in both counts in both.

    Parameters
    ----------
    by_slice, by_patient
        Columns patient, label and probability of the two test subsets. An empty one leaves the inflation undefined.
    positive
        Label of the positive class.
    resamples, seed
        Of the interval.
    """
    if by_slice.empty or by_patient.empty:
        return UNDEFINED
    both = pd.concat([by_slice, by_patient])
    numbers, patients = pd.factorize(both["patient"])
    numbers_by_slice, numbers_by_patient = numbers[: len(by_slice)], numbers[len(by_slice) :]

    def difference(drawn: IntArray) -> FloatArray:
        first = _auc(by_slice, numbers_by_slice, positive, drawn)
        return first - _auc(by_patient, numbers_by_patient, positive, drawn)

    value = float(difference(np.ones((1, len(patients)), np.int64))[0])
    if not resamples or lone_classes(by_slice) or lone_classes(by_patient):
        return Inflation(value, np.nan, np.nan)
    low, high = percentile_interval(
        difference(draw_patients_of(both["patient"], both["label"], resamples, seed))[:, None]
    )
    return Inflation(value, float(low[0]), float(high[0]))


def inflation_rows(
    predictions: pd.DataFrame, pipeline: str, cohort: str, positive: str, resamples: int, seed: int
) -> list[Row]:
    """Compute the four rows of one pipeline in report/leakage_inflation.tsv.

    The rows of the split by slice hold the inflation; it is NaN in those of the split by patient.

    Parameters
    ----------
    predictions
        Columns labels, unit, patient, label and probability: the test subsets of all conditions.
    pipeline, cohort
        Their names.
    positive
        Label of the positive class.
    resamples, seed
        Of the intervals.
    """
    tested = {
        condition: predictions[(predictions["labels"] == condition.labels) & (predictions["unit"] == condition.unit)]
        for condition in LEAKAGE_CONDITIONS
    }
    inflations = {
        LeakageCondition(labels, "slice"): inflation_of(
            tested[LeakageCondition(labels, "slice")],
            tested[LeakageCondition(labels, "patient")],
            positive,
            resamples,
            seed,
        )
        for labels in LABELS
    }
    rows: list[Row] = []
    for condition in LEAKAGE_CONDITIONS:
        inflation = inflations.get(condition, UNDEFINED)
        rows.append(
            {
                "pipeline": pipeline,
                "cohort": cohort,
                **row_of_condition(tested[condition], condition, positive, resamples, seed),
                **{f"inflation{end}": value for end, value in zip(ENDS, inflation, strict=True)},
            }
        )
    return rows
