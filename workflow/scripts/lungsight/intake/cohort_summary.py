"""Summarise a cohort's cases for the pages: how many there are, why some were not used, how the scans were taken."""

from typing import NamedTuple

import pandas as pd

# Columns of cases.tsv whose median over cases describes the acquisition.
MEDIANS = ("rows", "columns", "spacing_row", "spacing_slice", "slice_thickness", "kvp")


class CohortCounts(NamedTuple):
    """Counts of a cohort: rows of its table by status; patients and slices of the usable cases."""

    rows: int
    usable: int
    rejected: int
    skipped: int
    patients: int
    slices: int


def usable_cases(cases: pd.DataFrame) -> pd.DataFrame:
    """Keep the cases that intake took in. cases: cases.tsv."""
    return cases[cases["status"] == "ok"]


def cohort_counts(cases: pd.DataFrame) -> CohortCounts:
    """Count a cohort. cases: its cases.tsv."""
    by_status = cases["status"].value_counts()
    usable = usable_cases(cases)
    return CohortCounts(
        rows=len(cases),
        usable=len(usable),
        rejected=int(by_status.get("rejected", 0)),
        skipped=int(by_status.get("skipped", 0)),
        patients=usable["patient"].nunique(),
        slices=int(usable["n_slices"].sum()),
    )


def reasons_not_used(cases: pd.DataFrame) -> pd.DataFrame:
    """Count the reasons for which cases were not used: status, reason, cases."""
    left_out = cases[cases["status"] != "ok"]
    return left_out.groupby(["status", "reason"]).size().reset_index(name="cases")


def acquisition_summary(cases: pd.DataFrame) -> pd.DataFrame:
    """Describe how the usable scans were taken, a row per class in table order.

    Returns
    -------
    pandas.DataFrame
        label, the median of each column of MEDIANS, and contrast: the share of cases with a contrast agent. NaN where
        no header says it.
    """
    rows = [
        {"label": label}
        | {name: group[name].astype(float).median() for name in MEDIANS}
        | {"contrast": group["contrast"].astype(float).mean()}
        for label, group in usable_cases(cases).groupby("label", sort=False)
    ]
    return pd.DataFrame(rows, columns=["label", *MEDIANS, "contrast"])
