"""Reliability diagrams: are the probabilities right? report/reliability.tsv."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lungsight.report.charts import BLUE, GREY, STYLE, as_svg
from lungsight.report.results import RunResults


def section(results: RunResults) -> dict[str, Any]:
    """Give the diagrams."""
    return {"diagrams": Markup(reliability_diagrams(results)), "positive": results.positive_in_words}


def reliability_diagrams(results: RunResults, names: Sequence[str] = ()) -> str:
    """Draw a panel for each pipeline and stage, on the cohort that the stage is trained on.

    names: of the pipelines; all of them where there are none.
    """
    table = results.on_training_cohort(results.evaluation["reliability"])
    table = table[table["pipeline"].isin(names)] if names else table
    pipelines, stages = table["pipeline"].unique(), sorted(table["stage"].unique())
    with matplotlib.rc_context(STYLE):
        figure = Figure(
            figsize=(1.5 * len(stages) + 0.6, 1.45 * len(pipelines) + 0.4)
            if not names
            else (2.4 * len(stages) + 0.6, 2.8)
        )
        grid = figure.subplots(len(pipelines), len(stages), squeeze=False, sharex=True, sharey=True)
        for pipeline, line in zip(pipelines, grid, strict=True):
            for stage, axes in zip(stages, line, strict=True):
                _draw(axes, table[(table["pipeline"] == pipeline) & (table["stage"] == stage)])
                axes.set_title(f"stage {stage}", fontsize=8, loc="left")
            line[0].annotate(results.display_name(pipeline), (0, 1.25), xycoords="axes fraction", fontsize=9)
            line[0].set_ylabel("positive", fontsize=8)
        for axes in grid[-1]:
            axes.set_xlabel("probability", fontsize=8)
        figure.tight_layout(h_pad=1.2)
        return as_svg(figure)


def _draw(axes: Axes, bins: pd.DataFrame) -> None:
    """Draw the share of positives over the mean probability. A point's area stands for the slices of its bin."""
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=(0, (4, 3)), linewidth=1)
    axes.plot(bins["mean_probability"], bins["share_positive"], color=BLUE, linewidth=1)
    axes.scatter(bins["mean_probability"], bins["share_positive"], s=60 * bins["n"] / bins["n"].max(), color=BLUE)
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes.tick_params(labelsize=7)
