"""The two implementations of the evaluation agree: the run's on weighted rows, the check's on sums over patients."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lungsight.evaluation.aggregation import evaluate_aggregations, fit_aggregations
from lungsight.evaluation.leakage_inflation.inflation import inflation_of
from lungsight.evaluation.metrics import METRICS, metrics_with_intervals
from lungsight.evaluation.performance_differences import holm as holm_of_run
from lungsight.evaluation.performance_differences import paired_rows
from lungsight.verify.aggregation import AGGREGATIONS, exact_auc, youden_threshold
from lungsight.verify.differences import compared
from lungsight.verify.leakage import _inflation
from lungsight.verify.statistics import Drawing, all_values, holm
from tests.factories.evaluation import made_prediction_table
from tests.factories.tables import POSITIVE

DRAWING = Drawing(POSITIVE, 60, 7)


def scores(**changes: object) -> pd.DataFrame:
    """Test rows of 16 patients, rounded so that scores tie and lie on the edges of bins."""
    table = made_prediction_table(1.0)
    table = table[table["split"] == "test"]
    return table.assign(**{"probability": table["probability"].round(1)} | changes).reset_index(drop=True)


LABELLED = list(scores()[["patient", "label"]].itertuples(index=False, name=None))
TABLES = {
    "tied": scores(),
    "one class": scores(label=POSITIVE),
    "the other class": scores(label="Non Covid"),
    "one patient": scores(patient="a" * 16),
    "one positive patient": scores(patient=[name if label != POSITIVE else "a" for name, label in LABELLED]),
    "one negative patient": scores(patient=[name if label == POSITIVE else "b" for name, label in LABELLED]),
    "certain": scores(probability=1.0),
    "impossible": scores(probability=0.0),
    "nothing": scores().iloc[:0],
    "one row": scores().iloc[:1],
    "unsorted": scores().sample(frac=1, random_state=3),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("threshold", [0.5, 0.3])
def test_metrics_and_intervals(name: str, threshold: float) -> None:
    table = TABLES[name]
    by_run = metrics_with_intervals(table, POSITIVE, DRAWING.resamples, DRAWING.seed, threshold)
    by_check = all_values(table, DRAWING, threshold)
    assert set(by_check) == set(by_run) and len(by_check) == 5 + 3 * len(METRICS)
    for column, value in by_run.items():
        assert by_check[column] == pytest.approx(value, abs=1e-12, nan_ok=True), column


@pytest.mark.parametrize("unit", ["slice", "patient"])
def test_differences_of_two_models(unit: str) -> None:
    first, second = made_prediction_table(1.0), made_prediction_table(2.0, seed=1)
    second = second.iloc[3:].sample(frac=1, random_state=1)  # another order, and rows that the first has alone
    of_run = paired_rows(first, second, unit, POSITIVE, DRAWING.resamples, DRAWING.seed)
    of_check = compared(first, second, unit, SimpleNamespace(drawing=DRAWING, of_classes=[]))
    for row in of_run:
        assert (row["n"], row["n_patients"]) == (of_check.rows, of_check.patients)
        for column, value in of_check.metrics[row["metric"]].items():
            assert value == pytest.approx(row[column], abs=1e-12, nan_ok=True), column


def test_ways_to_a_patient_s_score() -> None:
    table = made_prediction_table(0.7, slices=12)
    fitted = fit_aggregations(table, POSITIVE)
    by_run = evaluate_aggregations(table, fitted, POSITIVE, 0, 0)
    validation = table[table["split"] == "val"].reset_index(drop=True)
    for choice in fitted:
        score, parameters = AGGREGATIONS[choice.aggregation]
        best = max(parameters, key=lambda value: exact_auc(score(validation, value), POSITIVE))
        if choice.parameter is not None:
            assert best == choice.parameter
        threshold = youden_threshold(score(validation, best), POSITIVE)
        assert threshold == pytest.approx(choice.threshold, abs=1e-12)
        test = table[table["split"] == "test"].reset_index(drop=True)
        values = all_values(score(test, best), Drawing(POSITIVE, 0, 0), threshold)
        (row,) = [r for r in by_run if r["aggregation"] == choice.aggregation and r["threshold_from"] == "validation"]
        for column in ("tp", "fp", "fn", "tn", "roc_auc", "pr_auc", "f1"):
            assert values[column] == pytest.approx(row[column], abs=1e-12)


def test_inflation_of_leakage() -> None:
    table = made_prediction_table(1.5)
    halves = table[table["split"] == "test"], table[table.index % 3 > 0]
    of_run = inflation_of(*halves, POSITIVE, DRAWING.resamples, DRAWING.seed)
    assert _inflation(*halves, DRAWING) == pytest.approx(of_run, abs=1e-12)
    assert np.isnan(_inflation(halves[0], halves[1].iloc[:0], DRAWING)).all()


def test_holm() -> None:
    p = [0.01, np.nan, 0.04, 0.03, 0.01, 0.9]
    assert holm(p) == pytest.approx(list(holm_of_run(np.array(p))), nan_ok=True)
    assert holm([]) == []
