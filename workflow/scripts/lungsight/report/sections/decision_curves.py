"""Decision curves: what acting on a model is worth. report/decision_curves.tsv."""

from typing import Any

import matplotlib
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lungsight.report.charts import BLUE, GREY, ORANGE, STYLE, as_svg
from lungsight.report.results import RunResults, model_of
from lungsight.report.words import use_in_words

LOWEST = -0.1  # of the chart, as a share of its height: below, all curves are of no use


def section(results: RunResults) -> dict[str, Any] | None:
    """Give the curves and, in words, from where to where each model is of use; None without test patients."""
    table = results.on_training_cohort(results.evaluation["decision_curves"])
    if table.empty:
        return None
    curves = [curve for _, curve in table.groupby(["pipeline", "stage"], sort=False)]
    useful = [f"{results.model_name(model_of(curve.iloc[0]))}: {use_in_words(curve)}" for curve in curves]
    first = results.run["labels"][0] if results.many_classes else ""
    return {"curves": Markup(decision_charts(results, table)), "useful": useful, "first": first}


def decision_charts(results: RunResults, table: pd.DataFrame) -> str:
    """Draw a panel for each pipeline and stage, on the cohort that the stage is trained on."""
    pipelines, stages = table["pipeline"].unique(), sorted(table["stage"].unique())
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.3 * len(stages) + 0.6, 1.6 * len(pipelines) + 0.4))
        grid = figure.subplots(len(pipelines), len(stages), squeeze=False, sharex=True)
        for pipeline, line in zip(pipelines, grid, strict=True):
            for stage, axes in zip(stages, line, strict=True):
                _draw(axes, table[(table["pipeline"] == pipeline) & (table["stage"] == stage)])
                axes.set_title(f"stage {stage}", fontsize=8, loc="left")
            line[0].annotate(results.display_name(pipeline), (0, 1.25), xycoords="axes fraction", fontsize=9)
            line[0].set_ylabel("net benefit", fontsize=8)
        for axes in grid[-1]:
            axes.set_xlabel("probability from which one acts", fontsize=8)
        figure.tight_layout(h_pad=1.2)
        return as_svg(figure)


def _draw(axes: Axes, curve: pd.DataFrame) -> None:
    """Draw the model with its interval, acting on everybody (dashed) and on nobody (dotted)."""
    thresholds = curve["threshold"].to_numpy()
    highest = max(curve["n_positive"].max() / max(curve["n"].max(), 1), 0.05)
    axes.fill_between(thresholds, curve["net_benefit_lo"], curve["net_benefit_hi"], color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(thresholds, curve["net_benefit"], color=BLUE, linewidth=1.2)
    axes.plot(thresholds, curve["act_on_all"], color=ORANGE, linestyle=(0, (4, 3)), linewidth=1)
    axes.axhline(0, color=GREY, linestyle=(0, (1, 2)), linewidth=1)
    axes.set(xlim=(0, 1), ylim=(LOWEST * highest * 2, 1.15 * highest), xticks=[0, 0.5, 1])
    axes.tick_params(labelsize=7)
