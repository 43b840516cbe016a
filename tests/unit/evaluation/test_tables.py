"""report/metrics.tsv: the thesis's numbers under their right names, on the right rows."""

import numpy as np
import pandas as pd
import pytest

from lungsight.evaluation.model_evaluation import evaluate_predictions
from lungsight.evaluation.tables import metrics_table, thesis_numbers
from lungsight.tables import check_table, read_table
from tests.factories.tables import NEGATIVE, POSITIVE
from tests.factories.workspace import ROOT

ORIGINS = {"whole-resnet50-imagenet": "stand-in"}
ROLES = {"open": "public", "clinic": "target", "abroad": "external"}


@pytest.fixture(scope="module")
def thesis() -> pd.DataFrame:
    return read_table(ROOT / "config/thesis.tsv", schema="thesis")


def evaluated_rows(cohort: str) -> list[dict]:
    predictions = pd.DataFrame(
        {
            **{"slice": list("abcdef"), "patient": list("ppqqrr"), "split": "test"},
            **{"label": [POSITIVE] * 2 + [NEGATIVE] * 4, "probability": [0.9, 0.4, 0.1, 0.2, 0.6, 0.3]},
        }
    )
    return [{"cohort": cohort} | row for row in evaluate_predictions(predictions, POSITIVE, 20, 1)]


def test_the_thesis_numbers_get_their_right_names(thesis: pd.DataFrame) -> None:
    """With 759 positive and 689 negative slices, the printed precision is the recall."""
    numbers = thesis_numbers(thesis).set_index(["pipeline", "stage"])
    first = numbers.loc[("whole-resnet50-scratch", 1)]
    tp, fp = 0.9262 * 759, 0.4978 * 689
    assert first["thesis_recall"] == pytest.approx(0.9262)
    assert first["thesis_precision"] == pytest.approx(tp / (tp + fp), abs=0.01)
    # The printed precision equals the diagonal share of the Covid-19 row, which is a recall.
    clean = thesis[~thesis["note"].str.contains("5.15")]
    np.testing.assert_allclose(clean["precision_printed"], clean["cm_covid_covid"], atol=1e-9)


def test_thesis_numbers_stand_only_on_the_slice_rows_of_the_training_cohort(thesis: pd.DataFrame) -> None:
    models = [
        ("whole-resnet50-scratch", 1, [row for name in ROLES for row in evaluated_rows(name)]),
        ("whole-resnet50-scratch", 2, [row for name in ("clinic", "abroad") for row in evaluated_rows(name)]),
        ("whole-small_cnn-scratch", 1, evaluated_rows("open")),
    ]
    origins = {"whole-resnet50-scratch": "scratch", "whole-small_cnn-scratch": "scratch"}
    table = metrics_table(models, thesis, ROLES, origins)
    check_table(table, "metrics", "metrics")
    assert len(table) == 6 + 4 + 2
    with_thesis = table[table["thesis_accuracy"].notna()]
    rows = list(with_thesis[["stage", "cohort", "unit"]].itertuples(index=False, name=None))
    assert rows == [(1, "open", "slice"), (2, "clinic", "slice")]
    assert with_thesis["thesis_accuracy"].tolist() == [0.73, 0.9639]
    assert with_thesis["framework"].tolist() == ["whole", "whole"]
    first = table.iloc[0]
    assert (first["n"], first["tp"], first["fn"], first["fp"], first["tn"]) == (6, 1, 1, 1, 3)


def test_an_undefined_metric_stays_empty(thesis: pd.DataFrame) -> None:
    row = evaluated_rows("open")[0] | {"precision": None, "f1": None}
    table = metrics_table([("whole-resnet50-imagenet", 1, [row])], thesis, ROLES, ORIGINS)
    check_table(table, "metrics", "metrics")
    assert pd.isna(table.loc[0, "precision"])
    assert table.columns[-1] == "weights_origin" and table["weights_origin"].tolist() == ["stand-in"]
