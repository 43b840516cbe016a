"""Metrics by source, scanner, kernel and contrast."""

import numpy as np
import pandas as pd

from lungsight.evaluation.metrics import metrics_row
from lungsight.evaluation.subgroups import groupings_of, subgroup_rows
from tests.factories.evaluation import made_prediction_table
from tests.factories.tables import POSITIVE


def test_a_subgroup_has_the_metrics_of_its_slices_alone() -> None:
    table = made_prediction_table(1.0)
    case_of_slice = [name.split("-")[0] for name in table["slice"]]
    slices = pd.DataFrame({"slice": table["slice"], "case": case_of_slice})
    numbers = np.arange(24)
    cases_table = pd.DataFrame(
        {
            "case": [f"{n:016x}" for n in numbers],
            "source": "here",
            "contrast": np.where(numbers % 4 < 2, 1.0, np.where(numbers < 12, 0.0, np.nan)),
            "manufacturer": np.where(numbers % 5 == 0, "ge", np.where(numbers % 5 < 3, "siemens", "")),
        }
    )
    groups = groupings_of(slices, cases_table)
    rows = subgroup_rows(table, groups, POSITIVE, resamples=30, seed=1)
    row_of = {(row["grouping"], row["value"], row["unit"]): row for row in rows}
    assert {key[:2] for key in row_of} == {
        *(("scanner", value) for value in ("ge", "siemens", "unknown")),
        *(("contrast", value) for value in ("with", "without", "unknown")),
    }
    siemens = cases_table.loc[cases_table["manufacturer"] == "siemens", "case"]
    tested = table[(table["split"] == "test") & pd.Series(case_of_slice).isin(siemens)]
    expected = metrics_row(tested, POSITIVE, 30, 1)
    row = row_of["scanner", "siemens", "slice"]
    assert [row[name] for name in ("n", "roc_auc", "recall_lo")] == [
        expected[name] for name in ("n", "roc_auc", "recall_lo")
    ]
    assert row["n_patients"] == tested["patient"].nunique()
    assert subgroup_rows(table, groups[["source"]], POSITIVE, 30, 1) == []
    # Age and sex come from a table of their own.
    sexes = np.where(numbers % 2 == 0, "female", np.where(numbers < 12, "male", ""))
    people = pd.DataFrame({"case": cases_table["case"], "age": "40 to 59", "sex": sexes})
    with_people = subgroup_rows(table, groupings_of(slices, cases_table, people), POSITIVE, 30, 1)
    added = [row for row in with_people if row not in rows]
    assert {(row["grouping"], row["value"]) for row in added} == {
        ("sex", word) for word in ("female", "male", "unknown")
    }
    # The model's own prediction for a patient comes from all slices, in whatever group: it is not used.
    assert subgroup_rows(table.assign(patient_probability=0.5), groups, POSITIVE, 30, 1) == rows
