"""The split: patients and slices in each subset, and what the subsets share: report/leakage.tsv."""

from typing import Any

from lungsight.report.cautions import split_overlap
from lungsight.report.components import Cell, PageTable, Row, share, text, whole
from lungsight.report.headings import CLASS, COHORT, INPUT_VIEW, SOURCE
from lungsight.report.results import RunResults
from lungsight.splits.composition import subset_counts
from lungsight.subsets import SUBSETS


def section(results: RunResults) -> dict[str, Any] | None:
    """Give statements and tables; None where nothing was split."""
    if not results.splits:
        return None
    return {
        "statements": split_overlap(results),
        "overlap": overlap_table(results),
        "composition": composition_table(results),
    }


def composition_table(results: RunResults) -> PageTable:
    """Show patients and slices in each subset by cohort, class and source, in the first input view."""
    input_view = results.input_views[0]
    rows = [
        [text(cohort), *(text(row[name]) for name in ("label", "source"))]
        + [whole(row[f"{subset}_{unit}"]) for subset in SUBSETS for unit in ("patients", "slices")]
        for (cohort, view), split in results.splits.items()
        if view == input_view
        for row in subset_counts(split, results.slices[cohort]).to_dict("records")
    ]
    headings = [COHORT, CLASS, SOURCE]
    headings += [(f"{subset}, {unit}", "") for subset in SUBSETS for unit in ("patients", "slices")]
    return PageTable("composition", f"Composition of the subsets ({input_view} slices)", headings, rows)


def overlap_table(results: RunResults) -> PageTable:
    """Show report/leakage.tsv."""
    rows = [
        [
            *(text(row["cohort"]), text(row["framework"]), text(row["unit"]), whole(row["slices"])),
            *_patient_cells(row),
            *(
                whole(row[name])._replace(tone="bad" if row[name] else "good")
                for name in (
                    "identical_images_on_two_sides",
                    "near_duplicates_on_two_sides",
                    "test_images_in_other_cohorts",
                    "test_slices_of_patients_in_other_cohorts",
                )
            ),
        ]
        for row in results.leakage.to_dict("records")
    ]
    headings = [
        *(COHORT, INPUT_VIEW, ("Split by", ""), ("Slices", ""), ("Patients", "")),
        ("Patients in two subsets", "a split by patient must give 0"),
        ("Test slices of trained patients", "share of test slices whose patient is also in train or val"),
        ("Identical images in two subsets", "slices whose pixels also occur in another subset"),
        ("Near duplicates in two subsets", "slices with a near duplicate from another patient in another subset"),
        ("Test images in other cohorts", "test slices whose pixels are in train or val of another cohort"),
        ("Test slices of patients in other cohorts", "their patient is in train or val of another cohort"),
    ]
    return PageTable("leakage", "What train, validation and test share", headings, rows)


def _patient_cells(row: Row) -> list[Cell]:
    """Show how many patients there are, how many lie in two subsets, and the share of test slices of the latter."""
    if not row["patients_known"]:
        return [text("unknown"), Cell("unknown", tone="warn"), Cell("unknown", tone="warn")]
    shared = row["patients_on_two_sides"]
    tone = "bad" if shared else "good"
    slices = share(row["test_slices_of_trained_patients"])
    return [whole(row["patients"]), whole(shared)._replace(tone=tone), slices._replace(tone=tone)]
