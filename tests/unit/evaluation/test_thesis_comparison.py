"""Our numbers beside those of the thesis, which prints precision and recall the wrong way round."""

import numpy as np
import pandas as pd
import pytest

from lungsight.evaluation.tables import metrics_table
from lungsight.evaluation.thesis_comparison import COMPARED, thesis_comparison
from lungsight.tables import columns_of, read_table
from tests.factories.workspace import ROOT

THESIS = read_table(ROOT / "config/thesis.tsv", schema="thesis")
NAME = "whole-resnet50-scratch"


def made_metrics(**row: float) -> pd.DataFrame:
    """The slice row of one pipeline in stage 1, and the row by patient, which the thesis does not have."""
    empty = dict.fromkeys(columns_of("metrics")[4:], np.nan)
    rows = [empty | {"stage": 1, "cohort": "open", "unit": unit} | row for unit in ("slice", "patient")]
    rows = [{key: value for key, value in one.items() if not key.startswith("thesis_")} for one in rows]
    return metrics_table([(NAME, 1, rows)], THESIS, {"open": "public"}, {NAME: "scratch"})


def test_a_number_of_the_thesis_is_covered_by_our_interval_or_not() -> None:
    metrics = made_metrics(accuracy=0.75, accuracy_lo=0.7, accuracy_hi=0.8, recall=0.5, recall_lo=0.4, recall_hi=0.6)
    (row,) = thesis_comparison(metrics.assign(f1=0.8), THESIS).to_dict("records")
    assert row["accuracy_difference"] == pytest.approx(0.75 - 0.73)
    assert row["recall_difference"] == pytest.approx(0.5 - 0.9262)  # printed as precision
    assert [row[f"{metric}_covered"] for metric in COMPARED] == ["covered", "", "not covered", "no interval"]
    assert row["note"] == "table 5.5"
