"""Before and after: what every remedy does to its pipeline, with its maps: report/remedies.tsv."""

from typing import Any

import pandas as pd

from lungsight.audit.remedy_table import MEASURES
from lungsight.report.components import Cell, PageTable, decimal, difference, estimate, missing, text
from lungsight.report.pictures import mean_picture
from lungsight.report.results import RunResults
from lungsight.training import remedies
from lungsight.wording import listed

HEADINGS = {
    "home": ("AUC", "by patient, on the cohort of the stage"),
    "before": ("AUC before adaptation", "stage 1 on the target cohort"),
    "external": ("AUC, external", "all external cohorts together"),
    "background": ("AUC without lung tissue", "the lung is a flat grey"),
    "swap": ("AUC, lung swapped", "with the lung of another class"),
    "enrichment": ("Enrichment", "of Grad-CAM in the lung"),
}


def section(results: RunResults) -> dict[str, Any] | None:
    """Give the table, what each remedy does, and the mean maps before and after; None where there is no remedy."""
    table = results.remedies
    if table.empty:
        return None
    taken = [name for name in table["remedy"].unique() if name != remedies.NONE]
    return {
        "remedies": remedy_table(results, table),
        "descriptions": [(name, *remedies.description_of(name), _seen(name)) for name in taken],
        "pictures": [
            [_picture(results, name, stage) for name in (before, after)]
            for before, after, stage in table[["compared_with", "pipeline", "stage"]].itertuples(index=False)
            if before
        ],
    }


def _seen(name: str) -> str:
    """Say in words what a model is trained on, and what therefore does not decide its verdict."""
    return listed([remedies.INSTRUMENTS[each] for each in remedies.load(name).instruments])


def _picture(results: RunResults, name: str, stage: int) -> tuple[str, Any]:
    folder, model = results.folder / f"explain/{name}/stage{stage}", (name, stage)
    return results.model_name(model), mean_picture(folder, results.summaries[model])


def remedy_table(results: RunResults, table: pd.DataFrame) -> PageTable:
    """Show the measures of every pipeline, and below each the difference to the pipeline without a remedy."""
    shown = [name for name in MEASURES if table[name].notna().any()]
    rows = []
    for _, row in table.iterrows():
        name = text(results.display_name(row["pipeline"]))
        cells = [cell for measure in shown for cell in _cells(row, measure)]
        ratio = missing() if pd.isna(row["training_ratio"]) else decimal(row["training_ratio"])
        rows.append([name, text(row["remedy"]), text(row["verdict"])._replace(note=row["rule"]), *cells, ratio])
    headings = [("Pipeline", ""), ("Remedy", ""), ("Verdict", "and the rule that decided")]
    for measure in shown:
        headings += [HEADINGS[measure], ("Difference", "to none, on the patients that both have")]
    headings.append(("Training time", "as a multiple of that without a remedy"))
    caption = "Remedies by patient, last stage; below a number its 95 % interval over patients"
    return PageTable("remedies", caption, headings, rows)


def _cells(row: pd.Series, measure: str) -> list[Cell]:
    change = missing() if pd.isna(row[f"{measure}_difference"]) else difference(row, f"{measure}_difference")
    # A fall without lung tissue is good, one at home is not: no direction is better in itself.
    return [estimate(row, measure), change._replace(tone="warn" if change.tone else "")]
