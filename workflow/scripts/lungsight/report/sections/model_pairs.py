"""Pairs of models that differ in one thing, on the same patients: report/differences.tsv."""

from typing import Any

from lungsight.report.components import Cell, PageTable, decimal, difference, p_value, text, whole
from lungsight.report.headings import COHORT
from lungsight.report.results import RunResults
from lungsight.training.pipelines import TARGET_ONLY

STAGES = {"1": "stage 1", "2": "stage 2", TARGET_ONLY: "stage 2 without stage 1"}
# Comparison of report/differences.tsv → what differs.
DIFFER_IN = {
    "framework": "input view",
    "backbone": "architecture",
    "weights": "start weights",
    "system": "published model",
    "remedy": "remedy against shortcuts",
    "adaptation": "training on the target cohort",
    "stage 1 first": "stage 1 before stage 2",
}


def section(results: RunResults) -> dict[str, Any]:
    """Give the table."""
    return {"pairs": pair_table(results)}


def pair_table(results: RunResults) -> PageTable:
    """Show pairs by patient: the AUC of both, the difference, its interval and p-values."""
    table = results.evaluation["differences"]
    rows = [
        [
            text(DIFFER_IN[row["comparison"]]),
            *(_model(results, row[f"{which}_pipeline"], row[f"{which}_stage"]) for which in ("first", "second")),
            *(text(row["cohort"]), whole(row["n"])),
            *(decimal(row["first"]), decimal(row["second"]), difference(row, "difference")),
            *(p_value(row["p"]), p_value(row["p_holm"], corrected=True)),
        ]
        for _, row in table[(table["unit"] == "patient") & (table["metric"] == "roc_auc")].iterrows()
    ]
    headings = [("Differ in", ""), ("First", ""), ("Second", ""), COHORT, ("n", "test patients of both")]
    headings += [("AUC, first", ""), ("AUC, second", ""), ("Difference", "second − first")]
    headings += [("p", "two-sided, by bootstrap"), ("p, corrected", "by Holm, over the pairs of this kind and cohort")]
    caption = "Pairs of models that differ in one thing, AUC by patient; below a difference its 95 % interval"
    return PageTable("differences", caption, headings, rows)


def _model(results: RunResults, pipeline: str, stage: str) -> Cell:
    return text(results.display_name(pipeline))._replace(note=STAGES[stage])
