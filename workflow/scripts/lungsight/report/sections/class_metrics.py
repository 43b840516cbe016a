"""All classes together and each against the rest, with more than two.

report/metrics.tsv, report/renormalised.tsv, report/classes.tsv and report/class_curves.tsv.
"""

from collections.abc import Iterator
from typing import Any

import matplotlib
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lungsight.evaluation.class_curves import RELIABILITY, ROC
from lungsight.report.charts import GREY, STYLE, as_svg, class_colours
from lungsight.report.components import Cell, PageTable, Row, estimates, evaluation_cells, text, whole
from lungsight.report.headings import EVALUATION, OF_CLASS, OVERALL, PIPELINE
from lungsight.report.results import RunResults

AXES = {ROC: ("false-positive rate", "sensitivity"), RELIABILITY: ("probability", "share of the class")}
AMONG_OWN = "among the classes of the cohort"
LONGEST = 24  # letters of a class word in a legend


def section(results: RunResults) -> dict[str, Any] | None:
    """Give the tables and both charts; None with two classes, which the other sections show."""
    if not results.many_classes:
        return None
    return {
        "first": results.run["labels"][0],
        "overall": overall_table(results),
        "by_patient": class_table(results, "patient"),
        "roc": Markup(class_chart(results, ROC)),
        "reliability": Markup(class_chart(results, RELIABILITY)),
    }


def overall_table(results: RunResults) -> PageTable:
    """Show all classes together, by patient; where a cohort lacks a class, also among the classes that it has."""
    tables = (results.metrics, ""), (results.of_classes["renormalised"], AMONG_OWN)
    rows = [
        [*_evaluation(results, row, note), whole(row["n"]), *estimates(row, OVERALL)]
        for table, note in tables
        for _, row in table[table["unit"] == "patient"].iterrows()
    ]
    headings = [PIPELINE, EVALUATION, ("n", "test patients"), *OVERALL.values()]
    caption = "All classes, by patient, test split; below each number its 95 % interval"
    return PageTable("all-classes", caption, headings, rows)


def _evaluation(results: RunResults, row: Row, note: str) -> list[Cell]:
    pipeline, evaluation = evaluation_cells(results, row)
    notes = [words for words in (evaluation.note, note) if words]
    return [pipeline, evaluation._replace(note=", ".join(notes))]


def class_table(results: RunResults, unit: str) -> PageTable:
    """Show every class of every evaluation; where a cohort lacks a class, also among the classes that it has."""
    table = results.of_classes["classes"]
    notes = {"raw": "", "renormalised": AMONG_OWN}
    rows = [
        [
            *evaluation_cells(results, row),
            text(row["class"])._replace(note=notes[row["probabilities"]]),
            whole(row["n"]),
            *estimates(row, OF_CLASS),
        ]
        for _, row in table[table["unit"] == unit].iterrows()
    ]
    headings = [PIPELINE, EVALUATION, ("Class", "against the rest"), ("n", f"test {unit}s"), *OF_CLASS.values()]
    return PageTable("classes", f"By {unit}, test split; below each number its 95 % interval", headings, rows)


def class_chart(results: RunResults, curve: str) -> str:
    """Draw a panel for each pipeline and stage, a line for each class, on the cohort that the stage is trained on."""
    table, labels = results.of_classes["class_curves"], results.run["labels"]
    table = table[table["curve"] == curve]
    pipelines, stages = table["pipeline"].unique(), sorted(table["stage"].unique())
    if not len(pipelines):
        return ""
    colours = dict(zip(labels, class_colours(len(labels)), strict=True))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.1 * len(stages) + 2.2, 2.0 * len(pipelines) + 0.5))
        grid = figure.subplots(len(pipelines), len(stages), squeeze=False, sharex=True, sharey=True)
        for pipeline, line in zip(pipelines, grid, strict=True):
            for stage, axes in zip(stages, line, strict=True):
                _draw(axes, table[(table["pipeline"] == pipeline) & (table["stage"] == stage)], colours)
                axes.set_title(f"stage {stage}", fontsize=8, loc="left")
            line[0].annotate(results.display_name(pipeline), (0, 1.18), xycoords="axes fraction", fontsize=9)
            line[0].set_ylabel(AXES[curve][1], fontsize=8)
        for axes in grid[-1]:
            axes.set_xlabel(AXES[curve][0], fontsize=8)
        handles = [Line2D([], [], color=colour) for colour in colours.values()]
        grid[0][-1].legend(
            handles, list(_legend(labels)), loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, fontsize=8
        )
        figure.tight_layout(h_pad=1.2)
        return as_svg(figure)


def _legend(labels: list[str]) -> Iterator[str]:
    for label in labels:
        yield label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"


def _draw(axes: Axes, curves: pd.DataFrame, colours: dict[str, str]) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=(0, (4, 3)), linewidth=1)
    for label, points in curves.groupby("class", sort=False):
        marker = "o" if (points["curve"] == RELIABILITY).all() else ""
        axes.plot(points["x"], points["y"], color=colours[str(label)], linewidth=1.2, marker=marker, markersize=3)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes.tick_params(labelsize=7)
