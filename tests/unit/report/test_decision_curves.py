"""The section on decision curves says from where to where a model is of use."""

import numpy as np
import pandas as pd
import pytest

from lungsight.evaluation.decision_curves import THRESHOLDS, decision_rows
from lungsight.report.results import RunResults
from lungsight.report.sections.decision_curves import section
from lungsight.report.words import use_in_words
from tests.factories.evaluation import made_prediction_table
from tests.factories.tables import POSITIVE


@pytest.mark.parametrize(
    ("useful", "words"),
    [
        ([], "not shown to be of use at any threshold"),
        ([0.1, 0.15, 0.2], "of use from 0.10 to 0.20"),
        ([0.1, 0.3, 0.35], "of use from 0.10 and 0.30 to 0.35"),
        (list(THRESHOLDS), "of use from 0.05 to 0.95"),
    ],
)
def test_where_a_model_is_of_use(useful: list[float], words: str) -> None:
    gain = [0.1 if threshold in useful else -0.1 for threshold in THRESHOLDS]
    assert use_in_words(pd.DataFrame({"threshold": THRESHOLDS, "gain_lo": gain})) == words


def test_without_intervals_nothing_is_claimed() -> None:
    assert use_in_words(pd.DataFrame({"threshold": [0.1], "gain_lo": [np.nan]})) == "no interval could be computed"


def test_a_panel_for_each_model(tmp_path) -> None:
    curve = decision_rows(made_prediction_table(3.0), POSITIVE, 100, 1)
    identity = {"pipeline": "whole-a-scratch", "stage": 2, "cohort": "clinic"}
    run = {"cohorts": [{"name": "clinic", "role": "target"}]}
    table = pd.DataFrame([identity | row for row in curve])
    values = section(RunResults(tmp_path, run, evaluation={"decision_curves": table}))
    assert values["useful"][0].startswith("whole-a-scratch stage 2: of use from 0.")
    assert values["curves"].count("whole-a-scratch") == 1 and "stage 2" in values["curves"]
    assert section(RunResults(tmp_path, run, evaluation={"decision_curves": table.assign(cohort="other")})) is None
