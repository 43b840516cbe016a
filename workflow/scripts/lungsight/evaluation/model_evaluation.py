"""Evaluate one model from its prediction tables: everything that metrics.json holds."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from lungsight.evaluation.aggregation import evaluate_aggregations, fit_aggregations, patient_level
from lungsight.evaluation.metrics import Row, metrics_row, reliability_rows, select_test_rows


def evaluate_predictions(predictions: pd.DataFrame, positive: str, resamples: int, seed: int) -> list[Row]:
    """Compute two rows of metrics from the test rows of one prediction table: by slice and by patient."""
    test = select_test_rows(predictions)
    units = {"slice": test, "patient": patient_level(test)}
    return [{"unit": unit, **metrics_row(table, positive, resamples, seed)} for unit, table in units.items()]


def evaluate_model(
    predictions: Mapping[str, pd.DataFrame], training_cohort: str, positive: str, resamples: int, seed: int
) -> dict[str, Any]:
    """Compute what metrics.json holds, but for the model's name.

    Parameters
    ----------
    predictions
        The model's prediction table on each cohort.
    training_cohort
        The cohort that the model was trained on. Its validation rows choose parameters and thresholds.
    positive
        Label of the positive class.
    resamples, seed
        Of the intervals.

    Returns
    -------
    `validation` (the cohort, and what it chose), `rows`, `aggregation` and `reliability`; each row with its cohort.
    """
    aggregations = fit_aggregations(predictions[training_cohort], positive)
    tables: dict[str, Callable[[pd.DataFrame], list[Any]]] = {
        "rows": lambda table: evaluate_predictions(table, positive, resamples, seed),
        "aggregation": lambda table: evaluate_aggregations(table, aggregations, positive, resamples, seed),
        "reliability": lambda table: reliability_rows(table, positive),
    }
    by_cohort = {
        name: [{"cohort": cohort} | row for cohort, table in predictions.items() for row in rows_of(table)]
        for name, rows_of in tables.items()
    }
    fitted = [aggregation._asdict() for aggregation in aggregations]
    return {"validation": {"cohort": training_cohort, "fitted": fitted}, **by_cohort}
