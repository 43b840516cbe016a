"""Quality control: which slices were kept, and why others were left out: manifest.tsv."""

from typing import Any

from lungsight.qc.summary import kept_by_class, reasons_left_out
from lungsight.report.components import Cell, PageTable, missing, share, text, whole
from lungsight.report.headings import CLASS, COHORT, INPUT_VIEW
from lungsight.report.results import RunResults
from lungsight.splits.composition import class_counts
from lungsight.subsets import SUBSETS


def section(results: RunResults) -> dict[str, Any] | None:
    """Give both tables; None where quality control did not run."""
    if not results.manifests:
        return None
    return {"kept": kept_table(results), "reasons": reason_table(results)}


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
