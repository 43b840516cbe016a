"""What a table of the page is, and the tables about data: cohorts, QC, splits, leakage, segmentation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from lungsight.qc.rules import in_brief
from lungsight.report.results import RunResults
from lungsight.run_description import input_views_of
from lungsight.subsets import SUBSETS
from lungsight.wording import number, tally


class Cell(NamedTuple):
    """A cell: its text, what it sorts by (the text where None), a tone for its colour, a small second line."""

    text: str
    sort: float | None = None
    tone: str = ""
    note: str = ""


@dataclass(frozen=True)
class PageTable:
    """A sortable table. headings: (title, explanation or ""). numeric: positions of columns set to the right."""

    name: str
    caption: str
    headings: Sequence[tuple[str, str]]
    rows: list[list[Cell]] = field(default_factory=list)
    numeric: frozenset[int] = frozenset()


def text(value: object) -> Cell:
    return Cell(str(value))


def whole(value: float) -> Cell:
    """A count."""
    return Cell(f"{int(value):,}".replace(",", " "), float(value))


def decimal(value: float, digits: int = 2) -> Cell:
    return Cell(number(value, digits), None if pd.isna(value) else float(value))


def share(value: float) -> Cell:
    return Cell("–" if pd.isna(value) else f"{100 * value:.0f} %", None if pd.isna(value) else float(value))


def cohort_table(results: RunResults) -> PageTable:
    """One row per cohort: who is in it and what became of the rows of its table."""
    headings = [
        *(("Cohort", ""), ("Role", "what the cohort is used for"), ("Data", "format, and whether it was generated")),
        *(("Patients", "with a usable case"), ("Cases", "rows of the user's table")),
        *(("Usable", ""), ("Rejected", "unusable, with the reason"), ("Left out", "by a rule of the user's")),
        ("Slices", "of usable cases"),
    ]
    rows = []
    for cohort in results.facts["cohorts"]:
        cases = results.cases[cohort["name"]]
        status = cases["status"].value_counts()
        data = cohort["format"].upper() + (", phantoms" if cohort["phantom"] else "")
        usable = cases[cases["status"] == "ok"]
        patients = whole(usable["patient"].nunique()) if cohort["patients_known"] else text("unknown")
        counts = [whole(len(cases)), *(whole(status.get(name, 0)) for name in ("ok", "rejected", "skipped"))]
        slices = whole(cases["n_slices"].sum())
        rows.append([text(cohort["name"]), text(cohort["role"]), text(data), patients, *counts, slices])
    return PageTable("cohorts", "Cohorts and what became of their cases", headings, rows, frozenset(range(3, 9)))


def rejection_table(results: RunResults) -> PageTable:
    """Reasons for cases that were not used, with how often each occurs."""
    rows = [
        [text(cohort), text(status), text(reason), whole(times)]
        for cohort, cases in results.cases.items()
        for (status, reason), times in cases[cases["status"] != "ok"].groupby(["status", "reason"]).size().items()
    ]
    headings = [("Cohort", ""), ("Status", ""), ("Reason", ""), ("Cases", "")]
    return PageTable("rejections", "Why cases were not used", headings, rows, frozenset({3}))


def acquisition_table(results: RunResults) -> PageTable:
    """Medians of the acquisition facts of usable cases, by cohort and class."""
    facts = {"rows": 0, "columns": 0, "spacing_row": 2, "spacing_slice": 2, "slice_thickness": 2, "kvp": 0}
    headings = [
        *(("Cohort", ""), ("Class", ""), ("Rows", "pixels"), ("Columns", "pixels")),
        *(("Pixel spacing", "mm"), ("Slice spacing", "mm"), ("Slice thickness", "mm"), ("Tube voltage", "kV")),
        ("With contrast", "share of cases whose header names a contrast agent"),
    ]
    rows = []
    for cohort, cases in results.cases.items():
        for label, group in cases[cases["status"] == "ok"].groupby("label", sort=False):
            medians = [decimal(group[name].astype(float).median(), digits) for name, digits in facts.items()]
            contrast = share(group["contrast"].astype(float).mean())
            rows.append([text(cohort), text(label or "–"), *medians, contrast])
    return PageTable(
        "acquisition", "How the scans were taken: medians by class", headings, rows, frozenset(range(2, 9))
    )


def source_table(results: RunResults) -> PageTable:
    """Slices by source and class: a source with one class gives the label away."""
    labels = results.facts["labels"]
    rows = []
    for cohort, slices in results.slices.items():
        counts = pd.crosstab(slices["source"], slices["label"]).reindex(columns=labels, fill_value=0)
        rows += [[text(cohort), text(row.Index), *map(whole, row[1:])] for row in counts.itertuples()]
    headings = [("Cohort", ""), ("Source", ""), *((label, "slices") for label in labels)]
    return PageTable("sources", "Slices by source and class", headings, rows, frozenset({2, 3}))


def qc_table(results: RunResults) -> PageTable:
    """Slices before and after quality control, and on each side, by cohort, class and framework."""
    headings = [
        *(("Cohort", ""), ("Class", ""), ("Framework", "whole slices, or slice × lung mask")),
        *(("Slices", "before quality control"), ("Kept", "after it"), ("Kept, share", "")),
        *((side, f"slices in {side}") for side in SUBSETS),
        ("Test patients", ""),
    ]
    rows = []
    for cohort, manifest in results.manifests.items():
        labelled = manifest.merge(results.slices[cohort][["slice", "label"]], on="slice")
        for label, group in labelled.groupby("label", sort=False):
            for framework in input_views_of(results.facts):
                kept = group[f"{framework}_keep"].sum()
                row = [text(cohort), text(label), text(framework), whole(len(group)), whole(kept)]
                rows.append([*row, share(kept / len(group)), *_sides(results, cohort, framework, label)])
    return PageTable("qc", "What quality control kept, and where it went", headings, rows, frozenset(range(3, 10)))


def _sides(results: RunResults, cohort: str, framework: str, label: str) -> list[Cell]:
    """Slices on each side and test patients, of one class; dashes where nothing was split."""
    if (cohort, framework) not in results.splits:
        return [Cell("–")] * (len(SUBSETS) + 1)
    split = results.splits[cohort, framework]
    chosen = split[split["label"] == label]
    counts = [whole((chosen["split"] == side).sum()) for side in SUBSETS]
    return [*counts, whole(chosen.loc[chosen["split"] == "test", "patient"].nunique())]


def qc_reason_table(results: RunResults) -> PageTable:
    """Why slices were left out, and by whom."""
    rows = []
    for cohort, manifest in results.manifests.items():
        for framework in input_views_of(results.facts):
            out = manifest[manifest[f"{framework}_keep"] == 0]
            for decided_by, group in out.groupby("decided_by"):
                cells = [text(cohort), text(framework), text(decided_by), whole(len(group))]
                rows.append([*cells, text(tally(group["reason"].map(in_brief)))])
    headings = [("Cohort", ""), ("Framework", ""), ("Decided by", ""), ("Slices", ""), ("Reasons", "how often")]
    return PageTable("qc-reasons", "Why slices were left out", headings, rows, frozenset({3}))


def leakage_table(results: RunResults) -> PageTable:
    """report/leakage.tsv."""
    headings = [
        *(("Cohort", ""), ("Framework", ""), ("Split by", ""), ("Slices", ""), ("Patients", "")),
        ("Patients on two sides", "0 is what a split by patient must give"),
        ("Test slices of trained patients", "share of test slices whose patient is also in train or val"),
        ("Identical images on two sides", "slices whose pixels occur on another side as well"),
        ("Near duplicates on two sides", "slices that another patient has too, or nearly so, on another side"),
        ("Test images in other cohorts", "test slices whose pixels are in train or val of another cohort"),
        ("Test slices of patients in other cohorts", "their patient is in train or val of another cohort"),
    ]
    rows = []
    for row in results.leakage.itertuples():
        cells = [text(row.cohort), text(row.framework), text(row.unit), whole(row.slices)]
        if not row.patients_known:
            known = [text("unknown"), Cell("unknown", None, "warn"), Cell("unknown", None, "warn")]
        else:
            leaked = row.patients_on_two_sides
            tone = "bad" if leaked else "good"
            shared = share(row.test_slices_of_trained_patients)
            known = [whole(row.patients), whole(leaked)._replace(tone=tone), shared._replace(tone=tone)]
        shared_counts = (
            row.identical_images_on_two_sides,
            row.near_duplicates_on_two_sides,
            row.test_images_in_other_cohorts,
            row.test_slices_of_patients_in_other_cohorts,
        )
        rows.append([*cells, *known, *(whole(n)._replace(tone="bad" if n else "good") for n in shared_counts)])
    return PageTable("leakage", "What train, validation and test share", headings, rows, frozenset(range(3, 11)))
