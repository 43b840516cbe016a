"""What training on the target cohort gained, on its test patients: report/differences.tsv."""

from typing import Any

from lungsight.report.components import SIGNIFICANT, PageTable, Statement, decimal, difference, text, whole
from lungsight.report.headings import MAIN_METRICS, PERFORMANCE, PIPELINE
from lungsight.report.results import RunResults
from lungsight.wording import count, number

# Comparison of report/differences.tsv → the stages that were trained before and after it.
STEPS = {"adaptation": ("1", "2"), "stage 1 first": ("2 alone", "1, 2")}


def section(results: RunResults) -> dict[str, Any]:
    """Give statement and table."""
    return {"statements": adaptation_statements(results), "table_of_gains": adaptation_table(results)}


def adaptation_statements(results: RunResults) -> list[Statement]:
    """Count the pipelines that gained on the target cohort by training on it, by the AUC over the same patients."""
    table = results.evaluation["differences"]
    by_patient = (table["unit"] == "patient") & (table["metric"] == "roc_auc")
    on_target = table["cohort"].map(results.roles) == "target"
    pairs = table[by_patient & on_target & (table["comparison"] == "adaptation")]
    if pairs.empty:
        return []
    gain = pairs["difference"]
    shown, significant = (pairs["difference_lo"] > 0).sum(), ((pairs["p_holm"] < SIGNIFICANT) & (gain > 0)).sum()
    return [
        Statement(
            "plain",
            f"By patient, the AUC on the target cohort rose in {(gain > 0).sum()} of {count(len(gain), 'pipeline')}, by"
            f" {number(gain.median())} in the median. In {shown} of them the whole interval of the paired difference"
            f" lies above 0. In {significant} the gain is significant at the 5 % level after correction for their"
            " number.",
        )
    ]


def adaptation_table(results: RunResults) -> PageTable:
    """Show the target's test patients before and after training on the target cohort, and with and without stage 1."""
    headings = [PIPELINE, ("Unit", ""), ("n", "test slices or patients"), ("Stages", "trained: before → after")]
    for name in MAIN_METRICS:
        title = PERFORMANCE[name][0]
        headings += [(f"{title} before", ""), (f"{title} after", ""), ("Gain", "after − before, on the same patients")]
    headings.append(("p, corrected", "of the AUC's gain, two-sided, by Holm over the pipelines"))
    table = results.evaluation["differences"]
    target = table[table["comparison"].isin(STEPS) & (table["cohort"].map(results.roles) == "target")]
    rows = []
    for _, metrics in target.groupby(["comparison", "first_pipeline", "unit"], sort=False):
        pair, by_metric = metrics.iloc[0], metrics.set_index("metric").to_dict("index")
        cells = [text(results.display_name(pair["first_pipeline"])), text(pair["unit"]), whole(pair["n"])]
        cells.append(text(" → ".join(STEPS[pair["comparison"]])))
        for name in MAIN_METRICS:
            row = by_metric[name]
            cells += [decimal(row["first"]), decimal(row["second"]), difference(row, "difference")]
        rows.append([*cells, decimal(by_metric["roc_auc"]["p_holm"], 3)])
    caption = "The target cohort's test split, before and after; below each gain its 95 % interval over patients"
    return PageTable("adaptation", caption, headings, rows)
