"""Loss and accuracy by epoch of every model: history.tsv."""

from typing import Any

import matplotlib
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lungsight.report.charts import AUC_LIMITS, BLUE, ORANGE, STYLE, as_svg, whole_numbers
from lungsight.report.results import RunResults


def section(results: RunResults) -> dict[str, Any]:
    """Give the curves."""
    return {"curves": Markup(training_curves(results))}


def training_curves(results: RunResults) -> str:
    """Draw a row of panels for each pipeline, with both stages."""
    histories = results.histories
    pipelines = list(dict.fromkeys(pipeline for pipeline, _ in histories))
    stages = sorted({stage for _, stage in histories})
    columns = [(stage, metric) for stage in stages for metric in ("loss", "accuracy")]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.3 * len(columns) + 0.4, 1.55 * len(pipelines) + 0.3))
        grid = figure.subplots(len(pipelines), len(columns), squeeze=False)
        for pipeline, line in zip(pipelines, grid, strict=True):
            for (stage, metric), axes in zip(columns, line, strict=True):
                _draw(axes, histories[pipeline, stage], stage, metric)
            title = results.display_name(pipeline)
            line[0].annotate(title, (0, 1.28), xycoords="axes fraction", fontsize=9, fontweight="bold")
        grid[0][0].legend(fontsize=7, frameon=False)
        figure.tight_layout(h_pad=1.2)
        return as_svg(figure)


def _draw(axes: Axes, history: pd.DataFrame, stage: int, metric: str) -> None:
    axes.plot(history["epoch"], history[metric], "-", color=BLUE, label="training", marker=".")
    axes.plot(history["epoch"], history[f"val_{metric}"], "--", color=ORANGE, label="validation", marker=".")
    axes.set_title(f"stage {stage}, {metric}", fontsize=8, loc="left")
    whole_numbers(axes.xaxis)
    axes.tick_params(labelsize=7)
    if metric == "accuracy":
        axes.set_ylim(*AUC_LIMITS)
