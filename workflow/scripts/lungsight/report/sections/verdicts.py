"""The verdict on every model, and the chart of what the predictions follow: report/verdicts.tsv and audit.tsv."""

from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lungsight.audit.rows import AUC_CHANCE, UNMODIFIED
from lungsight.report.charts import AUC_LIMITS, BLUE, GREEN, GREY, GRID, ORANGE, STYLE, as_svg, prepare_panel
from lungsight.report.components import Cell, PageTable, audit_estimate, model_cells
from lungsight.report.headings import MODEL
from lungsight.report.results import RunResults
from lungsight.report.words import PAGE_WORDS, verdict_in_words

# Numbers that the rules look at.
EVIDENCE = {
    "auc": ("AUC", "by patient, slices as they are"),
    "background": ("Lung grey", "AUC without lung tissue"),
    "swap": ("Lung swapped", "AUC; below 0.5 the predictions follow the lung"),
    "enrichment": ("Enrichment", "of the maps; 1 is no preference"),
    "similarity": ("Similarity", "rank correlation of the maps with those of the network with random weights"),
}


class Series(NamedTuple):
    """An intervention in the chart: its marker and colour, a symbol that looks like the marker, and its meaning."""

    variant: str
    marker: str
    colour: str
    symbol: str
    words: str


SERIES = (
    Series(UNMODIFIED, "o", GREY, "●", "slices as they are"),
    Series("lung_only_other", "^", BLUE, "▲", "own lung, everything else of a patient of another class"),
    Series("background_only_other", "v", ORANGE, "▼", "lung of a patient of another class, everything else own"),
    Series("background_only_mean", "D", GREEN, "◆", "lung a flat grey"),
)


def section(results: RunResults) -> dict[str, Any]:
    """Give the table, the chart and its legend."""
    return {
        "verdicts": verdict_table(results),
        "chart_of_swaps": Markup(swap_chart(results)),
        "legend": [(series.symbol, series.words) for series in SERIES],
    }


def verdict_cell(row: pd.Series) -> Cell:
    """Show the verdict in its words and colour. row: of report/verdicts.tsv."""
    return Cell(verdict_in_words(row["verdict"]), tone=PAGE_WORDS[row["verdict"]].tone)


def verdict_table(results: RunResults) -> PageTable:
    """Show for each model the verdict, the reason, and the numbers that the rules look at."""
    rows = []
    for _, row in results.verdicts.iterrows():
        reason = row["sentence"].partition(": ")[2]
        because = Cell(reason[0].upper() + reason[1:])
        numbers = [audit_estimate(row, name) for name in EVIDENCE]
        rows.append([*model_cells(results, row["pipeline"], row["stage"]), verdict_cell(row), because, *numbers])
    headings = [*MODEL, ("Verdict", ""), ("Because", "the first rule that holds"), *EVIDENCE.values()]
    caption = "Does each model look at the lung? Below each number its 95 % interval over patients"
    return PageTable("verdicts", caption, headings, rows)


def swap_chart(results: RunResults) -> str:
    """Draw the AUC by patient with its interval: a panel for each stage, a line for each model and intervention."""
    aucs = results.audit_of_models("intervention", "roc_auc", "patient")
    names = list(aucs["pipeline"].unique())
    stages = sorted(aucs["stage"].unique())
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.4 + 3.1 * len(stages), 0.9 + 0.5 * len(names)))
        all_axes = figure.subplots(1, len(stages), sharey=True, sharex=True, squeeze=False)[0]
        for axes, stage in zip(all_axes, stages, strict=True):
            prepare_panel(axes, f"stage {stage:.0f}", "AUC by patient, 95 % interval", AUC_CHANCE)
            of_stage = aucs[aucs["stage"] == stage]
            for place, name in enumerate(names):
                _draw_model(axes, place, of_stage[of_stage["pipeline"] == name].set_index("variant"))
            for place in range(1, len(names)):
                axes.axhline(place - 0.5, color=GRID, linewidth=0.6)
        all_axes[0].set_yticks(range(len(names)), [results.display_name(name) for name in names])
        all_axes[0].set_ylim(len(names) - 0.5, -0.5)
        all_axes[0].set_xlim(*AUC_LIMITS)
        figure.tight_layout(w_pad=1.5)
        return as_svg(figure)


def _draw_model(axes: Axes, place: int, rows: pd.DataFrame) -> None:
    by_variant = rows[rows["value"].notna()].to_dict("index")
    for offset, series in zip(np.linspace(-0.3, 0.3, len(SERIES)), SERIES, strict=True):
        if series.variant not in by_variant:
            continue
        row, height = by_variant[series.variant], place + offset
        if not np.isnan(row["value_lo"]):
            axes.plot([row["value_lo"], row["value_hi"]], [height, height], color=series.colour, linewidth=1.4)
        axes.plot(row["value"], height, series.marker, color=series.colour, markersize=5)
