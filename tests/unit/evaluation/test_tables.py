"""The report's tables: the thesis under its right names, on the right rows, and what the facts ask for."""

import json

import numpy as np
import pandas as pd
import pytest

from lungsight.config_check import complete_config
from lungsight.evaluation.metrics import evaluate_predictions
from lungsight.evaluation.tables import metrics_table, thesis_numbers
from lungsight.explain.saliency_metrics import METRICS as SALIENCY_METRICS
from lungsight.explain.tables import saliency_table
from lungsight.run_description import describe_run, metrics_inputs, models_of, page_inputs, saliency_inputs
from lungsight.tables import check_table, read_table
from tests.factories.tables import NEGATIVE, POSITIVE
from tests.factories.workspace import ROOT

ORIGINS = {"whole-resnet50-imagenet": "stand-in"}
ROLES = {"open": "public", "clinic": "target", "abroad": "external"}


@pytest.fixture(scope="module")
def thesis() -> pd.DataFrame:
    return read_table(ROOT / "config/thesis.tsv", schema="thesis")


def config_with(roles: dict[str, str], **settings: object) -> dict:
    cohorts = {
        name: {"role": role, "format": "dicom", "root": "secret/scans", "table": f"secret/{name}.tsv"}
        for name, role in roles.items()
    }
    return complete_config({"results": "results/x", "cohorts": cohorts} | settings)


def evaluated_rows(cohort: str) -> list[dict]:
    predictions = pd.DataFrame(
        {
            **{"slice": list("abcdef"), "patient": list("ppqqrr"), "split": "test"},
            **{"label": [POSITIVE] * 2 + [NEGATIVE] * 4, "probability": [0.9, 0.4, 0.1, 0.2, 0.6, 0.3]},
        }
    )
    return [{"cohort": cohort} | row for row in evaluate_predictions(predictions, POSITIVE, 20, 1)]


def test_the_thesis_names_are_put_right(thesis: pd.DataFrame) -> None:
    """Of 759 positive and 689 negative slices: the printed precision is the recall."""
    numbers = thesis_numbers(thesis).set_index(["pipeline", "stage"])
    first = numbers.loc[("whole-resnet50-scratch", 1)]
    tp, fp = 0.9262 * 759, 0.4978 * 689
    assert first["thesis_recall"] == pytest.approx(0.9262)
    assert first["thesis_precision"] == pytest.approx(tp / (tp + fp), abs=0.01)
    # Whole rows: the printed precision is the share of the Covid-19 row, as a recall is.
    clean = thesis[~thesis["note"].str.contains("5.15")]
    np.testing.assert_allclose(clean["precision_printed"], clean["cm_covid_covid"], atol=1e-9)


def test_thesis_numbers_stand_on_the_slice_rows_of_a_stages_own_cohort_only(thesis: pd.DataFrame) -> None:
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
    found = list(with_thesis[["stage", "cohort", "unit"]].itertuples(index=False, name=None))
    assert found == [(1, "open", "slice"), (2, "clinic", "slice")]
    assert with_thesis["thesis_accuracy"].tolist() == [0.73, 0.9639]
    assert with_thesis["framework"].tolist() == ["whole", "whole"]
    first = table.iloc[0]
    assert (first["n"], first["tp"], first["fn"], first["fp"], first["tn"]) == (6, 1, 1, 1, 3)


def test_a_metric_that_is_not_defined_stays_empty(thesis: pd.DataFrame) -> None:
    row = evaluated_rows("open")[0] | {"precision": None, "f1": None}
    table = metrics_table([("whole-resnet50-imagenet", 1, [row])], thesis, ROLES, ORIGINS)
    check_table(table, "metrics", "metrics")
    assert pd.isna(table.loc[0, "precision"])
    assert table.columns[-1] == "weights_origin" and table["weights_origin"].tolist() == ["stand-in"]


def test_saliency_rows_by_model_and_outcome() -> None:
    rows = pd.DataFrame({"patient": list("aabb"), "outcome": ["TP", "TP", "FN", "TP"], "empty": [0, 0, 1, 0]})
    rows = rows.assign(**{name: [1.0, 2.0, np.nan, 3.0] for name in SALIENCY_METRICS})
    table = saliency_table([("whole-resnet50-imagenet", 2, rows)], ORIGINS, resamples=50, seed=1)
    check_table(table, "report_saliency", "saliency")
    assert table["outcome"].tolist() == ["all", "TP", "FN"]
    assert table.loc[0, "enrichment"] == pytest.approx(2)
    assert table.loc[2, ["n", "n_empty"]].tolist() == [1, 1]
    assert np.isnan(table.loc[2, "enrichment"])
    assert table.columns[-1] == "weights_origin" and set(table["weights_origin"]) == {"stand-in"}


@pytest.mark.parametrize(
    ("roles", "models", "splits"),
    [
        ({"lungs": "segmentation", "open": "public", "clinic": "target"}, 16, 4),
        ({"lungs": "segmentation", "open": "public"}, 8, 2),
        ({"lungs": "segmentation", "clinic": "target"}, 0, 0),
        ({"clinic": "target"}, 0, 0),
    ],
)
def test_a_page_needs_what_the_cohorts_allow(roles: dict[str, str], models: int, splits: int) -> None:
    facts = describe_run(config_with(roles))
    wanted = page_inputs(facts)
    assert len(models_of(facts)) == models
    assert len(metrics_inputs(facts)) == len(saliency_inputs(facts)) == 2 * models
    assert sum(path.startswith("splits/") for path in wanted) == splits
    assert sum(path.startswith("cohorts/") and path.endswith("cases.tsv") for path in wanted) == len(roles)
    assert ("segmentation/metrics.tsv" in wanted) == ("lungs" in roles)
    assert ("report/leakage.tsv" in wanted) == (models > 0)


def test_facts_hold_no_path_of_the_users() -> None:
    facts = describe_run(config_with({"clinic": "target"}, qc={"decisions": "secret/decisions"}))
    assert "secret" not in json.dumps(facts)
