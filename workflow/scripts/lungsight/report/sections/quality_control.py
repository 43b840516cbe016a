"""Quality control: which slices were kept, and why others were left out: manifest.tsv."""

from typing import Any

from lungsight.qc.summary import kept_by_class, reasons_left_out
from lungsight.report.cautions import selection
from lungsight.report.components import SIGNIFICANT, Cell, PageTable, missing, p_value, share, text, whole
from lungsight.report.headings import CLASS, COHORT, INPUT_VIEW
from lungsight.report.results import RunResults
from lungsight.splits.composition import class_counts
from lungsight.subsets import SUBSETS
from lungsight.wording import MISSING, listed


def section(results: RunResults) -> dict[str, Any] | None:
    """Give both tables; None where quality control did not run."""
    if not results.manifests:
        return None
    return {
        "kept": kept_table(results),
        "statements": selection(results),
        "selection": selection_table(results),
        "reasons": reason_table(results),
    }


def selection_table(results: RunResults) -> PageTable:
    """Show report/selection.tsv."""
    rows = [
        [
            *(text(row["cohort"]), text(row["excluded_by"]), text(row["framework"] or MISSING), text(row["label"])),
            *(whole(row["patients"]), whole(row["patients_kept"]), whole(row["n"]), whole(row["kept"])),
            share(row["excluded"])._replace(note=f"{100 * row['excluded_lo']:.0f}–{100 * row['excluded_hi']:.0f} %"),
            p_value(row["p"]),
            p_value(row["p_holm"])._replace(tone="bad" if row["p_holm"] < SIGNIFICANT else ""),
        ]
        for row in results.selection.to_dict("records")
    ]
    headings = [
        *(COHORT, ("Left out by", "intake: rows of the table; quality control: slices"), INPUT_VIEW, CLASS),
        *(("Patients", ""), ("Kept", "patients of whom a row or slice is left"), ("n", "rows or slices"), ("Kept", "")),
        ("Left out, share", "the mean over patients, with its 95 % interval"),
        ("p", "that the classes differ by chance"),
        ("p, Holm", "corrected for all tests of the run"),
    ]
    unknown = [
        cohort["name"] for cohort in results.run["cohorts"] if cohort["labelled"] and not cohort["patients_known"]
    ]
    each_image = f" Patients of {listed(unknown)} are unknown: each image counts as one." if unknown else ""
    caption = f"Does what was left out depend on the class? By patient.{each_image}"
    return PageTable("selection", caption, headings, rows)


def kept_table(results: RunResults) -> PageTable:
    """Show slices before and after quality control, and in each subset, by cohort, class and input view."""
    rows = [
        [
            *(text(cohort), text(row["label"]), text(row["input_view"]), whole(row["slices"]), whole(row["kept"])),
            share(row["kept"] / row["slices"]),
            *_subsets(results, cohort, row["input_view"], row["label"]),
        ]
        for cohort, manifest in results.manifests.items()
        for row in kept_by_class(manifest, results.slices[cohort], results.input_views).to_dict("records")
    ]
    headings = [
        *(COHORT, CLASS, INPUT_VIEW),
        *(("Slices", "before quality control"), ("Kept", "after it"), ("Kept, share", "")),
        *((subset, f"slices in {subset}") for subset in SUBSETS),
        ("Test patients", ""),
    ]
    return PageTable("qc", "What quality control kept, and the subset where it went", headings, rows)


def _subsets(results: RunResults, cohort: str, input_view: str, label: str) -> list[Cell]:
    """Show slices in each subset and test patients of one class; dashes where nothing was split."""
    split = results.splits.get((cohort, input_view))
    if split is None:
        return [missing()] * (len(SUBSETS) + 1)
    return [whole(n) for n in class_counts(split, label).values()]


def reason_table(results: RunResults) -> PageTable:
    """Show why slices were left out, and by whom."""
    rows = [
        [
            *(text(cohort), text(row["input_view"]), text(row["decided_by"]), whole(row["slices"])),
            text(row["reasons"]),
        ]
        for cohort, manifest in results.manifests.items()
        for row in reasons_left_out(manifest, results.input_views).to_dict("records")
    ]
    headings = [COHORT, INPUT_VIEW, ("Decided by", ""), ("Slices", ""), ("Reasons", "how often")]
    return PageTable("qc-reasons", "Why slices were left out", headings, rows)
