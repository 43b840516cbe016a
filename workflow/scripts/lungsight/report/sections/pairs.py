"""How every model tells each pair of classes apart, with more than two: report/pairs.tsv."""

from typing import Any

from lungsight.report.components import PageTable, audit_estimate, model_cells, text, whole
from lungsight.report.headings import MODEL
from lungsight.report.results import RunResults
from lungsight.report.sections.verdicts import verdict_cell

NUMBERS = {
    "auc": ("AUC", "by patient, slices as they are"),
    "background": ("Lung grey", "AUC without lung tissue"),
    "swap": ("Lung swapped", "AUC with a lung of the other class of the pair; below 0.5 the predictions follow it"),
}


def section(results: RunResults) -> dict[str, Any] | None:
    """Give the table; None with two classes, which are one pair."""
    return {"pairs": pair_table(results)} if results.many_classes else None


def pair_table(results: RunResults) -> PageTable:
    """Show for each model and pair of classes the verdict and the numbers that the rules look at."""
    rows = [
        [
            *model_cells(results, row["pipeline"], row["stage"]),
            *(text(row["first"]), text(row["second"]), verdict_cell(row), whole(row["patients"])),
            *(audit_estimate(row, name) for name in NUMBERS),
        ]
        for _, row in results.of_classes["pairs"].iterrows()
    ]
    headings = [*MODEL, ("Class", ""), ("Against", ""), ("Verdict", "on this pair; maps count for the model alone")]
    headings += [("Patients", "audited, of both classes"), *NUMBERS.values()]
    caption = "By pairs of classes; below each number its interval, 95 % for all pairs of a model together"
    return PageTable("pairs", caption, headings, rows)
