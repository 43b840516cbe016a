"""The section on leakage inflation, and that it states only what the numbers show."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lungsight.evaluation.leakage_inflation.settings import LEAKAGE_CONDITIONS
from lungsight.report.results import RunResults
from lungsight.report.sections.leakage_inflation import inflation_chart, inflation_statements, inflation_table, section

NUMBERS = {"true-slice": 0.95, "true-patient": 0.7, "shuffled-slice": 0.8, "shuffled-patient": 0.5}


def made_inflation(inflation: tuple[float, float, float] = (0.25, 0.1, 0.4), **changes: tuple) -> pd.DataFrame:
    """changes: true_slice=(value, low, high) and so on."""
    rows = []
    for condition in LEAKAGE_CONDITIONS:
        value = NUMBERS[condition.name]
        auc = changes.get(condition.name.replace("-", "_"), (value, value - 0.1, value + 0.05))
        ends = zip(("", "_lo", "_hi"), auc, inflation if condition.unit == "slice" else (np.nan,) * 3, strict=True)
        row = {
            "pipeline": "whole-small_cnn-scratch",
            "cohort": "clinic",
            **condition._asdict(),
            "slices": 50,
            "patients": 12,
        }
        for end, value, difference in ends:
            row |= {f"accuracy{end}": value, f"roc_auc{end}": value, f"inflation{end}": difference}
        rows.append(row)
    return pd.DataFrame(rows)


def stated(inflation: pd.DataFrame) -> list[tuple[str, str]]:
    return [(statement.tone, statement.text) for statement in inflation_statements(inflation)]


def test_an_inflation_above_zero_is_leakage():
    true, shuffled = stated(made_inflation())
    assert true[0] == "warn" and "Leakage alone adds 0.25 (0.10–0.40)" in true[1]
    assert "split by slice, the AUC is 0.95 (0.85–1.00); split by patient, 0.70 (0.60–0.75)" in true[1]
    assert (
        shuffled[0] == "warn" and "still reaches an AUC of 0.80 (0.70–0.85): it recognises the patients" in shuffled[1]
    )
    assert "Split by patient it is at chance, 0.50 (0.40–0.55), as it must be." in shuffled[1]


def test_an_inflation_around_zero_is_not_claimed():
    true, shuffled = stated(made_inflation((0.1, -0.2, 0.4), shuffled_slice=(0.6, 0.4, 0.8)))
    assert true[0] == "plain" and "is not shown to be more than chance" in true[1]
    assert shuffled[0] == "plain" and "it has not learnt to recognise the patients" in shuffled[1]


def test_shuffled_labels_above_chance_by_patient_are_suspicious():
    _, shuffled = stated(made_inflation(shuffled_patient=(0.8, 0.7, 0.9)))
    assert shuffled[0] == "bad" and "which leaves chance out" in shuffled[1]


def test_shuffled_labels_below_chance_by_patient_are_no_leakage():
    _, shuffled = stated(made_inflation(shuffled_patient=(0.2, 0.1, 0.3)))
    assert shuffled[0] == "warn" and "Below chance it is no leakage" in shuffled[1]


def test_a_handful_of_patients_decides_nothing():
    """Four patients can give an interval far from chance by accident."""
    inflation = made_inflation(shuffled_patient=(0.8, 0.7, 0.9)).assign(patients=4)
    for tone, text in stated(inflation):
        assert tone == "plain" and "4 patients are tested: too few to say what leakage adds." in text


def test_conditions_that_could_not_be_trained():
    nothing = (np.nan,) * 3
    conditions = dict.fromkeys(("true_slice", "true_patient", "shuffled_slice", "shuffled_patient"), nothing)
    assert all("too few patients" in text for _, text in stated(made_inflation(nothing, **conditions)))
    assert "no value" in inflation_chart(made_inflation(nothing, **conditions))


def test_the_chart_names_pipelines_only_where_there_are_several():
    one = made_inflation()
    assert "split by slice" in inflation_chart(one) and "whole-small_cnn" not in inflation_chart(one)
    two = pd.concat([one, one.assign(pipeline="whole-resnet50-scratch")])
    assert "whole-resnet50-scratch, by patient" in inflation_chart(two)


def test_the_inflation_stands_in_the_rows_by_slice():
    rows = inflation_table(made_inflation()).rows
    assert [row[8].text for row in rows] == ["0.25", "", "0.25", ""]
    assert rows[0][7].note == "0.85–1.00"


@pytest.mark.parametrize("measured", [True, False])
def test_nothing_is_shown_where_nothing_was_measured(measured):
    results = RunResults(Path(), {}, leakage_inflation=made_inflation() if measured else pd.DataFrame())
    assert (section(results) is not None) == measured
