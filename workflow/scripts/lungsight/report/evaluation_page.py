"""The part of the page that says more of how well models do: pairs, other answers, subgroups, calibration."""

from typing import Any

import matplotlib
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lungsight.report.charts import BLUE, GREY, STYLE, as_svg
from lungsight.report.components import Cell, PageTable, decimal, text, whole
from lungsight.report.model_tables import PERFORMANCE, display_name, evaluated, measured, signed
from lungsight.report.results import RunResults
from lungsight.report.statements import training_cohort
from lungsight.wording import MISSING

LEVEL = 0.05
AGGREGATED = ("roc_auc", "accuracy", "recall", "specificity")
WAYS = {
    "slice": "each slice by itself",
    "pooled": "the network, of all slices at once",
    "mean": "mean of the slices",
    "top_k": "mean of the {:g} highest slices",
    "fraction": "share of slices at or above {:g}",
}


def section(results: RunResults) -> dict[str, Any]:
    """What the template shows of it."""
    return {
        "differences": difference_table(results),
        "aggregation": aggregation_table(results),
        "subgroups": subgroup_table(results),
        "reliability": Markup(reliability_chart(results)),
    }


def model_name(results: RunResults, pipeline: str, stage: str) -> Cell:
    """A model of a pair."""
    return text(display_name(results, pipeline))._replace(note=f"stage {stage.replace('-direct', ' without stage 1')}")


def p_cell(value: float, corrected: bool = False) -> Cell:
    """A p-value; green where, corrected, it is below 0.05."""
    shown = MISSING if pd.isna(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
    significant = corrected and value < LEVEL
    return Cell(shown, None if pd.isna(value) else float(value), "good" if significant else "")


def difference_table(results: RunResults) -> PageTable:
    """Pairs of models by patient: the AUC of both, the difference, its interval and p-values."""
    rows = []
    table = results.evaluation["differences"]
    for _, row in table[(table["unit"] == "patient") & (table["metric"] == "roc_auc")].iterrows():
        pair = [model_name(results, row[f"{which}_pipeline"], row[f"{which}_stage"]) for which in ("first", "second")]
        values = [decimal(row["first"]), decimal(row["second"]), signed(row, "difference")]
        tests = [p_cell(row["p"]), p_cell(row["p_holm"], corrected=True)]
        rows.append([text(row["comparison"]), *pair, text(row["cohort"]), whole(row["n"]), *values, *tests])
    headings = [("Differ in", ""), ("First", ""), ("Second", ""), ("Tested on", ""), ("n", "test patients of both")]
    headings += [("AUC, first", ""), ("AUC, second", ""), ("Difference", "second − first")]
    headings += [("p", "two-sided, by bootstrap"), ("p, corrected", "by Holm, within a kind of pair and a cohort")]
    caption = "Pairs of models that differ in one thing, AUC by patient; below a difference its 95 % interval"
    return PageTable("differences", caption, headings, rows, frozenset(range(4, 10)))


def aggregation_table(results: RunResults) -> PageTable:
    """Each model on the cohort that it was trained on, answered in every way."""
    rows = []
    for _, row in training_cohort(results, results.evaluation["aggregation"]).iterrows():
        way = text(WAYS[row["aggregation"]].format(row["parameter"]))
        chosen = "chosen on validation" if row["threshold_from"] == "validation" else "fixed"
        threshold = decimal(row["threshold"])._replace(note=chosen)
        rows.append([*evaluated(results, row), way, threshold, whole(row["n"]), *measured(row, AGGREGATED)])
    headings = [("Pipeline", ""), ("Evaluation", ""), ("Answer", "how slices become an answer"), ("Threshold", "")]
    headings += [("n", "slices or patients"), *(PERFORMANCE[name] for name in AGGREGATED)]
    caption = "Other answers: what is fitted is fitted on validation, the numbers are those of the test split"
    return PageTable("aggregation", caption, headings, rows, frozenset(range(3, 5 + len(AGGREGATED))))


def subgroup_table(results: RunResults) -> PageTable:
    """Each evaluation by source, scanner, kernel and contrast, by patient."""
    rows = []
    table = results.evaluation["subgroups"]
    for _, row in table[table["unit"] == "patient"].iterrows():
        counts = [whole(row["n"]), whole(row["n_positive"])]
        group = [text(row["grouping"]), text(row["value"])]
        rows.append([*evaluated(results, row), *group, *counts, *measured(row, AGGREGATED)])
    headings = [("Pipeline", ""), ("Evaluation", ""), ("By", ""), ("Value", ""), ("n", "test patients")]
    headings += [("Positive", "of them"), *(PERFORMANCE[name] for name in AGGREGATED)]
    return PageTable(
        "subgroups", "By source, scanner, kernel and contrast", headings, rows, frozenset(range(4, 6 + len(AGGREGATED)))
    )


def reliability_chart(results: RunResults) -> str:
    """Reliability diagrams, a panel for each pipeline and stage on the stage's own cohort."""
    table = training_cohort(results, results.evaluation["reliability"])
    pipelines, stages = table["pipeline"].unique(), sorted(table["stage"].unique())
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1.5 * len(stages) + 0.6, 1.45 * len(pipelines) + 0.4))
        grid = figure.subplots(len(pipelines), len(stages), squeeze=False, sharex=True, sharey=True)
        for pipeline, line in zip(pipelines, grid, strict=True):
            for stage, axes in zip(stages, line, strict=True):
                _draw_reliability(axes, table[(table["pipeline"] == pipeline) & (table["stage"] == stage)])
                axes.set_title(f"stage {stage}", fontsize=8, loc="left")
            line[0].annotate(display_name(results, pipeline), (0, 1.25), xycoords="axes fraction", fontsize=9)
            line[0].set_ylabel("positive", fontsize=8)
        for axes in grid[-1]:
            axes.set_xlabel("probability", fontsize=8)
        figure.tight_layout(h_pad=1.2)
        return as_svg(figure)


def _draw_reliability(axes: Axes, bins: pd.DataFrame) -> None:
    """Share of positives over mean probability; a point's area says how many slices its bin has."""
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=(0, (4, 3)), linewidth=1)
    axes.plot(bins["mean_probability"], bins["share_positive"], color=BLUE, linewidth=1)
    axes.scatter(bins["mean_probability"], bins["share_positive"], s=60 * bins["n"] / bins["n"].max(), color=BLUE)
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes.tick_params(labelsize=7)
