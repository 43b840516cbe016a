"""Where right and wrong predictions look: report/saliency.tsv by outcome."""

from typing import Any

from lungsight.report.components import PageTable, estimates, model_cells, text, whole
from lungsight.report.headings import ENRICHMENT, MODEL, SALIENCY
from lungsight.report.results import RunResults


def section(results: RunResults) -> dict[str, Any]:
    """Give the table."""
    return {"by_outcome": outcome_table(results)}


def outcome_table(results: RunResults) -> PageTable:
    """Show enrichment, lung mass and localisation AUC by outcome."""
    rows = [
        [
            *model_cells(results, row["pipeline"], row["stage"]),
            *(text(row["outcome"]), whole(row["n"]), whole(row["n_patients"]), whole(row["n_empty"])),
            *estimates(row, ["enrichment", "lung_mass", "auc"]),
        ]
        for _, row in results.saliency[results.saliency["outcome"] != "all"].iterrows()
    ]
    headings = [
        *MODEL,
        ("Outcome", "" if results.many_classes else "TP, TN: right; FP, FN: wrong"),
        ("n", "slices"),
        ("Patients", ""),
    ]
    headings += [("Empty", "maps that are zero everywhere"), ENRICHMENT, SALIENCY["lung_mass"], SALIENCY["auc"]]
    return PageTable("outcomes", "Where right and wrong predictions look", headings, rows)
