"""What metrics.json holds of one model."""

import pandas as pd

from lungsight.evaluation.aggregation import fit_aggregations
from lungsight.evaluation.model_evaluation import evaluate_model, evaluate_predictions
from tests.factories.evaluation import made_prediction_table
from tests.factories.tables import NEGATIVE, POSITIVE


def test_only_test_rows_count_by_slice_and_by_patient() -> None:
    table = pd.DataFrame(
        {
            "patient": ["b", "b", "a", "c"],
            "label": [POSITIVE, POSITIVE, NEGATIVE, NEGATIVE],
            "split": ["test", "test", "test", "train"],
            "probability": [0.9, 0.3, 0.5, 0.9],
        }
    )
    by_slice, by_patient = evaluate_predictions(table, POSITIVE, resamples=0, seed=0)
    # A probability of 0.5 counts as positive.
    assert [by_slice[name] for name in ("unit", "n", "tp", "fp", "fn", "tn")] == ["slice", 3, 1, 1, 1, 0]
    assert [by_patient[name] for name in ("unit", "n", "tp", "fp", "fn", "tn")] == ["patient", 2, 1, 1, 0, 0]


def test_the_training_cohort_chooses_for_every_cohort() -> None:
    tables = {"clinic": made_prediction_table(1.5), "abroad": made_prediction_table(0.5, seed=1)}
    evaluation = evaluate_model(tables, "clinic", POSITIVE, resamples=20, seed=1)
    fitted = fit_aggregations(tables["clinic"], POSITIVE)
    assert evaluation["validation"] == {"cohort": "clinic", "fitted": [each._asdict() for each in fitted]}
    assert fitted != fit_aggregations(tables["abroad"], POSITIVE)
    chosen = {(row["aggregation"], row["parameter"]) for row in evaluation["aggregation"] if row["cohort"] == "abroad"}
    assert chosen == {(each.aggregation, each.parameter) for each in fitted}
    assert [(row["cohort"], row["unit"]) for row in evaluation["rows"]] == [
        (cohort, unit) for cohort in tables for unit in ("slice", "patient")
    ]
    assert {row["cohort"] for row in evaluation["reliability"]} == set(tables)
