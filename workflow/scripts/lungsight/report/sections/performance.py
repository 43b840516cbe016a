"""Classification performance of every model, by patient and by slice: report/metrics.tsv."""

from typing import Any

from lungsight.report.charts import AUC_LIMITS, forest_plot, forest_rows
from lungsight.report.components import PageTable, Row, estimates, evaluation_cells, whole
from lungsight.report.headings import EVALUATION, PERFORMANCE, PIPELINE
from lungsight.report.results import RunResults, better_than_chance
from lungsight.wording import evaluation_name, evaluation_note


def section(results: RunResults) -> dict[str, Any]:
    """Give both tables."""
    return {
        "by_patient": performance_table(results, "patient"),
        "by_slice": performance_table(results, "slice"),
    }


def auc_forest(results: RunResults) -> str:
    """Draw the AUC by patient of every model, a panel for each evaluation."""
    table = results.metrics[results.metrics["unit"] == "patient"]
    panels = [
        (_panel_title(results, rows.iloc[0]), forest_rows(results, rows, "roc_auc"))
        for _, rows in table.groupby(["stage", "cohort"], sort=False)
    ]
    return forest_plot(panels, chance=0.5, xlabel="AUC by patient, 95 % interval", limits=AUC_LIMITS)


def _panel_title(results: RunResults, row: Row) -> str:
    note = evaluation_note(row["stage"], results.roles[row["cohort"]])
    return f"{evaluation_name(row['stage'], row['cohort'])}\n{note}".strip()


def performance_table(results: RunResults, unit: str) -> PageTable:
    """Show every evaluation by slice or by patient."""
    rows = []
    for _, row in results.metrics[results.metrics["unit"] == unit].iterrows():
        auc, *others = estimates(row, PERFORMANCE)
        tone = {True: "good", False: "warn", None: ""}[better_than_chance(row)]
        rows.append([*evaluation_cells(results, row), whole(row["n"]), auc._replace(tone=tone), *others])
    headings = [PIPELINE, EVALUATION, ("n", f"test {unit}s"), *PERFORMANCE.values()]
    caption = f"By {unit}, test split; below each number its 95 % interval over patients"
    return PageTable(f"performance-{unit}", caption, headings, rows)
