"""Grad-CAM against the lung mask: report/saliency.tsv."""

from typing import Any

from markupsafe import Markup

from lungsight.report.charts import forest_plot, forest_rows
from lungsight.report.components import PageTable, against_chance, estimates, model_cells, whole
from lungsight.report.headings import ENRICHMENT, MODEL, SALIENCY
from lungsight.report.results import RunResults

CHANCE = 1.0  # of an enrichment


def section(results: RunResults) -> dict[str, Any]:
    """Give the forest plot of the enrichment and the table."""
    return {
        "sign": next(iter(results.summaries.values()))["methods"][0]["sign"],
        "forest": Markup(enrichment_forest(results)),
        "against_lung": saliency_table(results),
    }


def enrichment_forest(results: RunResults) -> str:
    """Draw the enrichment of every model, a panel for each stage."""
    overall = results.saliency[results.saliency["outcome"] == "all"]
    panels = [(f"stage {stage}", forest_rows(results, rows, "enrichment")) for stage, rows in overall.groupby("stage")]
    return forest_plot(panels, chance=CHANCE, xlabel="enrichment, 95 % interval", limits=None)


def saliency_table(results: RunResults) -> PageTable:
    """Show each model's means over all its test slices."""
    rows = []
    for _, row in results.saliency[results.saliency["outcome"] == "all"].iterrows():
        empty = whole(row["n_empty"])._replace(tone="warn" if row["n_empty"] else "")
        left_out = whole(row["n_left_out"])._replace(tone="warn" if row["n_left_out"] else "")
        identity = [*model_cells(results, row["pipeline"], row["stage"]), whole(row["n"]), left_out, empty]
        rows.append([*identity, against_chance(row, "enrichment", CHANCE), *estimates(row, SALIENCY)])
    headings = [*MODEL, ("n", "test slices"), ("Left out", "without a lung mask that passed quality control")]
    headings += [("Empty", "maps that are zero everywhere"), ENRICHMENT]
    headings += SALIENCY.values()
    caption = "Grad-CAM against the lung mask, test slices; below each number its 95 % interval over patients"
    return PageTable("saliency", caption, headings, rows)
