"""Summaries of a cohort's cases, written out."""

import numpy as np
import pandas as pd

from lungsight.intake.cohort_summary import acquisition_summary, cohort_counts, reasons_not_used

CASES = pd.DataFrame(
    {
        "patient": list("aabcd"),
        "label": ["x", "x", "y", "y", "y"],
        "status": ["ok", "ok", "ok", "rejected", "skipped"],
        "reason": ["", "", "", "no CT slice", "left out"],
        "n_slices": [10, 20, 30, 7, 0],
        **{"rows": 512, "columns": 512, "spacing_row": [0.6, 0.8, 0.7, 9.0, 9.0]},
        **{"spacing_slice": [1.0, 5.0, np.nan, 9.0, 9.0], "slice_thickness": np.nan, "kvp": [100, 120, 140, 9, 9]},
        "contrast": [1, 0, 1, 0, 0],
    }
)


def test_cases_are_counted_by_status_and_slices_and_patients_of_usable_ones() -> None:
    counts = cohort_counts(CASES)
    assert counts == (5, 3, 1, 1, 2, 60)
    assert (counts.rejected, counts.patients, counts.slices) == (1, 2, 60)
    nothing = cohort_counts(CASES.assign(status="rejected"))
    assert nothing == (5, 0, 5, 0, 0, 0)


def test_reasons_are_counted() -> None:
    assert reasons_not_used(CASES).to_numpy().tolist() == [["rejected", "no CT slice", 1], ["skipped", "left out", 1]]


def test_acquisition_is_the_median_of_usable_cases_by_class() -> None:
    first, second = acquisition_summary(CASES).to_dict("records")
    assert (first["label"], first["spacing_row"], first["spacing_slice"], first["kvp"]) == ("x", 0.7, 3.0, 110)
    assert (first["contrast"], second["contrast"], second["kvp"]) == (0.5, 1.0, 140)
    assert np.isnan(second["spacing_slice"]) and np.isnan(first["slice_thickness"])
    assert acquisition_summary(CASES.assign(status="skipped")).empty
