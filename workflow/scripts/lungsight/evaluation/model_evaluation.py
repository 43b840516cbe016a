"""All that is said of one model from its prediction tables."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lungsight.evaluation.aggregation import evaluate_aggregations, fit_aggregations
from lungsight.evaluation.metrics import evaluate_predictions
from lungsight.evaluation.reliability import reliability_rows


def evaluate_model(
    predictions: Mapping[str, pd.DataFrame], own: str, positive: str, resamples: int, seed: int
) -> dict[str, Any]:
    """As metrics.json has it, but for the model's name: rows, aggregation and reliability, each row with its cohort.

    predictions: by cohort. own: the cohort that the model was trained on, whose validation side chooses what is fitted.
    """
    fitted = fit_aggregations(predictions[own], positive)
    how = (positive, resamples, seed)
    found = {
        "rows": {cohort: evaluate_predictions(table, *how) for cohort, table in predictions.items()},
        "aggregation": {cohort: evaluate_aggregations(table, fitted, *how) for cohort, table in predictions.items()},
        "reliability": {cohort: reliability_rows(table, positive) for cohort, table in predictions.items()},
    }
    listed = {
        name: [{"cohort": cohort} | row for cohort, rows in by_cohort.items() for row in rows]
        for name, by_cohort in found.items()
    }
    return {"validation": {"cohort": own, "fitted": [one._asdict() for one in fitted]}, **listed}
