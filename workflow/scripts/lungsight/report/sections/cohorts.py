"""The cohorts: who is in them, why cases were not used, sources, and how the scans were taken."""

from typing import Any

import pandas as pd

from lungsight.intake.cohort_summary import MEDIANS, acquisition_summary, cohort_counts, reasons_not_used
from lungsight.report.components import PageTable, decimal, share, text, whole
from lungsight.report.headings import CLASS, COHORT, SOURCE
from lungsight.report.results import RunResults
from lungsight.wording import MISSING

# Decimals of the medians.
DIGITS = {"spacing_row": 2, "spacing_slice": 2, "slice_thickness": 2}


def section(results: RunResults) -> dict[str, Any]:
    """Give the table of cohorts, and what is folded below it."""
    more = [rejection_table(results), source_table(results), acquisition_table(results)]
    return {"cohorts": cohort_table(results), "more": more}


def cohort_table(results: RunResults) -> PageTable:
    """Show for each cohort who is in it and what became of the rows of its table."""
    rows = []
    for cohort in results.run["cohorts"]:
        counts = cohort_counts(results.cases[cohort["name"]])
        data = cohort["format"].upper() + (", phantoms" if cohort["phantom"] else "")
        patients = whole(counts.patients) if cohort["patients_known"] else text("unknown")
        identity = [text(cohort["name"]), text(cohort["role"]), text(data), patients]
        rows.append([*identity, *map(whole, (counts.rows, counts.usable, counts.rejected, counts.skipped))])
        rows[-1].append(whole(counts.slices))
    headings = [
        *(COHORT, ("Role", "what the cohort is used for"), ("Data", "format, and whether it was generated")),
        *(("Patients", "with a usable case"), ("Cases", "rows of the user's table")),
        *(("Usable", ""), ("Rejected", "unusable, with the reason"), ("Left out", "by a rule of the user's")),
        ("Slices", "of usable cases"),
    ]
    return PageTable("cohorts", "Cohorts and what became of their cases", headings, rows)


def rejection_table(results: RunResults) -> PageTable:
    """Show why cases were not used, and how often."""
    rows = [
        [text(cohort), text(row["status"]), text(row["reason"]), whole(row["cases"])]
        for cohort, cases in results.cases.items()
        for row in reasons_not_used(cases).to_dict("records")
    ]
    headings = [COHORT, ("Status", ""), ("Reason", ""), ("Cases", "")]
    return PageTable("rejections", "Why cases were not used", headings, rows)


def source_table(results: RunResults) -> PageTable:
    """Show slices by source and class: a source with one class gives the label away."""
    labels = results.run["labels"]
    rows = []
    for cohort, slices in results.slices.items():
        counts = pd.crosstab(slices["source"], slices["label"]).reindex(columns=labels, fill_value=0)
        rows += [[text(cohort), text(source), *map(whole, row)] for source, row in counts.iterrows()]
    headings = [COHORT, SOURCE, *((label, "slices") for label in labels)]
    return PageTable("sources", "Slices by source and class", headings, rows)


def acquisition_table(results: RunResults) -> PageTable:
    """Show medians of the acquisition of usable cases, by cohort and class."""
    rows = [
        [
            *(text(cohort), text(row["label"] or MISSING)),
            *(decimal(row[name], DIGITS.get(name, 0)) for name in MEDIANS),
            share(row["contrast"]),
        ]
        for cohort, cases in results.cases.items()
        for row in acquisition_summary(cases).to_dict("records")
    ]
    headings = [
        *(COHORT, CLASS, ("Rows", "pixels"), ("Columns", "pixels")),
        *(("Pixel spacing", "mm"), ("Slice spacing", "mm"), ("Slice thickness", "mm"), ("Tube voltage", "kV")),
        ("With contrast", "share of cases whose header names a contrast agent"),
    ]
    return PageTable("acquisition", "How the scans were taken: medians by class", headings, rows)
