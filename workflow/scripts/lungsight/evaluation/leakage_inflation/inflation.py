"""What a split by slice adds to the numbers: metrics of the arms, each on its own test side, and their difference."""

from typing import Any

import numpy as np
import pandas as pd

from lungsight.evaluation.intervals import draw_patients, percentile_interval
from lungsight.evaluation.leakage_inflation.settings import LABELS, LEAKAGE_CONDITIONS, LeakageCondition
from lungsight.evaluation.metrics import metrics_row, ranking_metrics

METRICS = ("accuracy", "roc_auc")
ENDS = ("", "_lo", "_hi")


def row_of_condition(
    tested: pd.DataFrame, condition: LeakageCondition, positive: str, resamples: int, seed: int
) -> dict[str, Any]:
    """One row of report/leakage_inflation.tsv without pipeline, cohort and price; by slice, clustered by patient.

    tested: `patient label probability` of the arm's test side; empty where the arm could not be trained.
    """
    found = metrics_row(tested, positive, resamples, seed)
    return {
        **{
            "labels": condition.labels,
            "unit": condition.unit,
            "slices": len(tested),
            "patients": tested["patient"].nunique(),
        },
        **{f"{metric}{end}": found[f"{metric}{end}"] for metric in METRICS for end in ENDS},
    }


def _auc(tested: pd.DataFrame, numbers: np.ndarray, positive: str, drawn: np.ndarray) -> np.ndarray:
    truth, probability = (tested["label"] == positive).to_numpy(), tested["probability"].to_numpy(np.float64)
    return ranking_metrics(truth, probability, drawn[:, numbers].astype(np.float64))["roc_auc"]


def inflation_of(
    by_slice: pd.DataFrame, by_patient: pd.DataFrame, positive: str, resamples: int, seed: int
) -> tuple[float, float, float]:
    """AUC under the split by slice minus AUC under the split by patient, with the ends of its 95 % interval.

    Patients are drawn once for both: one who is in both test sides counts in both. NaN where undefined.
    """
    if by_slice.empty or by_patient.empty:
        return np.nan, np.nan, np.nan
    numbers, patients = pd.factorize(pd.concat([by_slice["patient"], by_patient["patient"]]))
    parts = numbers[: len(by_slice)], numbers[len(by_slice) :]

    def difference(drawn: np.ndarray) -> np.ndarray:
        first, second = (_auc(t, n, positive, drawn) for t, n in zip((by_slice, by_patient), parts, strict=True))
        return first - second

    point = difference(np.ones((1, len(patients))))[0]
    if not resamples:
        return point, np.nan, np.nan
    low, high = percentile_interval(difference(draw_patients(len(patients), resamples, seed))[:, None])
    return point, low[0], high[0]


def inflation_rows(
    predictions: pd.DataFrame, pipeline: str, cohort: str, positive: str, resamples: int, seed: int
) -> list[dict[str, Any]]:
    """The four rows of one pipeline in report/leakage_inflation.tsv; the price stands in the rows by slice.

    predictions: `labels unit patient label probability` of the test sides of all arms.
    """
    tested = {
        condition: predictions[(predictions["labels"] == condition.labels) & (predictions["unit"] == condition.unit)]
        for condition in LEAKAGE_CONDITIONS
    }
    inflations = {
        labels: inflation_of(
            tested[LeakageCondition(labels, "slice")],
            tested[LeakageCondition(labels, "patient")],
            positive,
            resamples,
            seed,
        )
        for labels in LABELS
    }
    rows = []
    for condition in LEAKAGE_CONDITIONS:
        inflation = inflations[condition.labels] if condition.unit == "slice" else (np.nan,) * len(ENDS)
        row = {
            "pipeline": pipeline,
            "cohort": cohort,
            **row_of_condition(tested[condition], condition, positive, resamples, seed),
        }
        rows.append(row | {f"inflation{end}": float(value) for end, value in zip(ENDS, inflation, strict=True)})
    return rows
