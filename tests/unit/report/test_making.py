"""What the page says of models and the making of images."""

import numpy as np
import pandas as pd
import pytest

from lungsight.report.results import RunResults
from lungsight.report.sections.making import statements

MODEL = {"pipeline": "whole-small_cnn-scratch", "stage": 1}


def results(tmp_path, making: float, trace: str, value: float, reason: str = "") -> RunResults:
    """A run of one model: its verdict, and its row of the audit."""
    verdict = {**MODEL, "making": making, "making_lo": making, "making_hi": making, "making_trace": trace}
    row = {"test": "making", "measure": "roc_auc", "unit": "patient", "variant": "noise"}
    audit = pd.DataFrame([{**MODEL, **row, "value": value, "reason": reason}])
    run = {"pipelines": [["whole", "small_cnn", "scratch"]], "stages": [1]}
    return RunResults(tmp_path, run, audit=audit, verdicts=pd.DataFrame([verdict]))


@pytest.mark.parametrize(
    ("making", "trace", "value", "reason", "tone", "said"),
    [
        (0.2, "noise in air", 0.2, "", "bad", "The answers of 1 of 1 model follow"),
        (0.7, "noise in air", 0.7, "", "good", "The answers of 0 of 1 model follow"),
        (np.nan, "", 0.7, "", "plain", "is shown to tell the class"),
        (np.nan, "", np.nan, "one class only", "warn", "was not measured: one class only."),
        (np.nan, "", np.nan, "", "warn", "was not measured."),
    ],
)
def test_what_is_said_of_the_making(tmp_path, making, trace, value, reason, tone, said):
    (statement,) = statements(results(tmp_path, making, trace, value, reason))
    assert statement.tone == tone and said in statement.text
    assert (f"(named: {trace})" in statement.text) == (tone == "bad")
