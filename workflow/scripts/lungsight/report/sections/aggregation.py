"""Ways to make a prediction for a patient from slices, and thresholds chosen on validation: report/aggregation.tsv."""

from typing import Any

from lungsight.report.components import PageTable, decimal, estimates, evaluation_cells, text, whole
from lungsight.report.headings import EVALUATION, MAIN_METRICS, PERFORMANCE, PIPELINE
from lungsight.report.results import RunResults

# Aggregation → its words; the parameter is put in.
RULES = {
    "slice": "each slice by itself",
    "pooled": "the network, of all slices at once",
    "mean": "mean of the slices",
    "top_k": "mean of the {:g} highest slices",
    "fraction": "share of slices at or above {:g}",
}


def section(results: RunResults) -> dict[str, Any]:
    """Give the table."""
    return {"rules": aggregation_table(results)}


def aggregation_table(results: RunResults) -> PageTable:
    """Show each model on the cohort that it was trained on, under every rule."""
    rows = []
    for _, row in results.on_training_cohort(results.evaluation["aggregation"]).iterrows():
        rule = text(RULES[row["aggregation"]].format(row["parameter"]))
        origin = "chosen on validation" if row["threshold_from"] == "validation" else "fixed"
        threshold = decimal(row["threshold"])._replace(note=origin)
        identity = [*evaluation_cells(results, row), rule, threshold, whole(row["n"])]
        rows.append([*identity, *estimates(row, MAIN_METRICS)])
    headings = [PIPELINE, EVALUATION, ("Prediction", "how slices become a prediction"), ("Threshold", "")]
    headings += [("n", "slices or patients"), *(PERFORMANCE[name] for name in MAIN_METRICS)]
    caption = "Each rule on the test split; rules and thresholds are fitted on validation"
    return PageTable("aggregation", caption, headings, rows)
