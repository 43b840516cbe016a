"""Before and after: what every remedy does to its pipeline, with its maps: report/remedies.tsv."""

from typing import Any

import numpy as np
import pandas as pd

from lungsight.audit.remedy_table import MEASURES
from lungsight.report.components import Cell, PageTable, decimal, difference, estimate, missing, text, whole
from lungsight.report.pictures import inline, mean_picture
from lungsight.report.results import RunResults
from lungsight.tables import read_table
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


CAPTION = "Each row of generated slices stands above the training slices that are nearest to them."
RESOLUTION = (
    "Generated slices have 64 × 64 pixels and are enlarged to {size} × {size} for training. They hold no detail finer"
    " than a 64th of the image's side, so they cannot teach a network what small lesions or fine textures look like."
    " No validation slice, test slice or map is generated."
)
MEANING = (
    "A generator that has learned its training slices by heart draws slices that lie nearer to them than slices of"
    " new patients do. The share of pairs in which the generated slice lies nearer is then near 1, and many slices lie"
    " nearer than any validation slice. Where generated slices differ much less than training slices, the generator"
    " draws the same few again and again."
)
MEMORISATION = [
    *(("Cohort", ""), ("Class", ""), ("Generated", "slices"), ("Training", "slices")),
    ("Distance", "of a generated slice to the nearest training slice: root mean square in greys, median"),
    ("Distance, validation", "the same of validation slices"),
    ("Nearer", "share of pairs in which the generated slice lies nearer; 0.5: alike"),
    ("Copies", "generated slices nearer than any validation slice"),
    ("Variety", "spread of generated slices over that of training slices"),
]


def section(results: RunResults) -> dict[str, Any] | None:
    """Give the table, what each remedy does, and the mean maps before and after; None where there is no remedy."""
    table = results.remedies
    if table.empty:
        return None
    taken = [name for name in table["remedy"].unique() if name != remedies.NONE]
    return {
        "remedies": remedy_table(results, table),
        "descriptions": [(name, *remedies.description_of(name), _seen(name)) for name in taken],
        "generated": generated_part(results),
        "pictures": [
            [_picture(results, name, stage) for name in (before, after)]
            for before, after, stage in table[["compared_with", "pipeline", "stage"]].itertuples(index=False)
            if before
        ],
    }


def _seen(name: str) -> str:
    """Say in words what a model is trained on, and what therefore does not decide its verdict."""
    return listed([remedies.INSTRUMENTS[each] for each in remedies.load(name).instruments])


def generated_part(results: RunResults) -> dict[str, Any] | None:
    """Show generated slices, and whether they are copies of training slices; None where there are none."""
    described = results.run["generated"]
    if not described:
        return None
    size = results.run["settings"]["training"]["image_size"]
    names = [f"{each['cohort']}, {each['input_view']} slices" for each in described]
    tables = [read_table(results.folder / each["folder"] / "memorisation.tsv", "memorisation") for each in described]
    sheets = [
        inline(results.folder / each["folder"] / "sheet.png", f"Generated slices of {name}", f"{name}. {CAPTION}")
        for each, name in zip(described, names, strict=True)
    ]
    rows = [
        memorisation_cells(name, row) for name, table in zip(names, tables, strict=True) for _, row in table.iterrows()
    ]
    return {
        "resolution": RESOLUTION.format(size=size),
        "sheets": sheets,
        "meaning": MEANING,
        "memorisation": PageTable("memorisation", "Generated slices beside validation slices", MEMORISATION, rows),
    }


def memorisation_cells(name: str, row: pd.Series) -> list[Cell]:
    """Show a row of memorisation.tsv."""
    alike = decimal(row["spread_generated"] / row["spread_training"] if row["spread_training"] else np.nan)
    return [
        *(text(name), text(row["label"] or "all classes"), whole(row["generated"]), whole(row["training"])),
        *(decimal(row[name], 1) for name in ("distance_generated", "distance_validation")),
        *(decimal(row["nearer"]), missing() if pd.isna(row["copies"]) else whole(row["copies"]), alike),
    ]


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
