"""Evaluate one model from its prediction tables: everything that metrics.json holds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from lungsight.evaluation.aggregation import evaluate_aggregations, fit_aggregations, patient_level
from lungsight.evaluation.class_metrics import Costs, overall_row, renormalised
from lungsight.evaluation.metrics import Row, metrics_row, reliability_rows, select_test_rows


def evaluate_predictions(
    predictions: pd.DataFrame,
    positive: str,
    resamples: int,
    seed: int,
    labels: Sequence[str] = (),
    costs: Costs = None,
) -> list[Row]:
    """Compute two rows of metrics from the test rows of one prediction table: by slice and by patient.

    With more than two classes, a row holds the metrics of all classes after those of the first against the rest.
    """
    test = select_test_rows(predictions)
    rows: list[Row] = []
    for unit, table in {"slice": test, "patient": patient_level(test)}.items():
        row: Row = {"unit": unit, **metrics_row(table, positive, resamples, seed)}
        rows.append(row | overall_row(table, labels, costs, resamples, seed) if len(labels) > 2 else row)
    return rows


def evaluate_model(
    predictions: Mapping[str, pd.DataFrame],
    training_cohort: str,
    positive: str,
    resamples: int,
    seed: int,
    labels: Sequence[str] = (),
    costs: Costs = None,
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
    labels
        All classes, in order. Up to two of them change nothing.
    costs
        As for `class_metrics.decide`.

    Returns
    -------
    `validation` (the cohort, and what it chose), `rows`, `aggregation` and `reliability`; each row with its cohort.
    With more than two classes also `renormalised`: the rows of cohorts that lack a class, with the probabilities of the
    others divided by their sum.
    """
    aggregations = fit_aggregations(predictions[training_cohort], positive, labels)
    tables: dict[str, Callable[[pd.DataFrame], list[Any]]] = {
        "rows": lambda table: evaluate_predictions(table, positive, resamples, seed, labels, costs),
        "aggregation": lambda table: evaluate_aggregations(
            table, aggregations, positive, resamples, seed, labels, costs
        ),
        "reliability": lambda table: reliability_rows(table, positive),
    }
    if len(labels) > 2:
        tables["renormalised"] = lambda table: _of_classes_present(table, positive, resamples, seed, labels, costs)
    by_cohort = {
        name: [{"cohort": cohort} | row for cohort, table in predictions.items() for row in rows_of(table)]
        for name, rows_of in tables.items()
    }
    fitted = [aggregation._asdict() for aggregation in aggregations]
    return {"validation": {"cohort": training_cohort, "fitted": fitted}, **by_cohort}


def _of_classes_present(
    table: pd.DataFrame, positive: str, resamples: int, seed: int, labels: Sequence[str], costs: Costs
) -> list[Row]:
    """Compute the two rows of a cohort that lacks a class, among the classes that it has; none of another cohort."""
    among = renormalised(table, labels)
    return [] if among is None else evaluate_predictions(among, positive, resamples, seed, labels, costs)
