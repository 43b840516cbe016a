"""Charts of the page, as SVG text: colours that everybody can tell apart, shapes that work without them."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

# Okabe and Ito's palette.
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#767676"
STYLE = {
    "svg.fonttype": "none",  # text stays text: it can be selected, found and read aloud
    "svg.hashsalt": "lungsight",  # the same input gives the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


class ForestRow(NamedTuple):
    """One line of a forest plot; NaN ends where there is no interval."""

    name: str
    value: float
    low: float
    high: float


def as_svg(figure: Figure) -> str:
    """The figure as an <svg> element, without the XML prologue."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def forest_plot(
    panels: Sequence[tuple[str, Sequence[ForestRow]]], chance: float, xlabel: str, limits: tuple[float, float] | None
) -> str:
    """Points with intervals, a panel for each evaluation side by side, a dashed line at chance.

    The marker says which side of chance the whole interval lies on: filled circle above, open square across it, filled
    triangle below. All panels have the same names in the same order.
    """
    names = [row.name for row in panels[0][1]]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.2 + 2.5 * len(panels), 0.9 + 0.3 * len(names)))
        all_axes = figure.subplots(1, len(panels), sharey=True, sharex=True, squeeze=False)[0]
        for axes, (title, rows) in zip(all_axes, panels, strict=True):
            axes.axvline(chance, color=GREY, linestyle=(0, (4, 3)), linewidth=1)
            for place, row in enumerate(rows):
                _draw_row(axes, place, row, chance)
            axes.set_title(title, fontsize=9, loc="left")
            axes.set_xlabel(xlabel)
            axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
            axes.set_axisbelow(True)
        all_axes[0].set_yticks(range(len(names)), names)
        all_axes[0].set_ylim(len(names) - 0.4, -0.6)
        if limits:
            all_axes[0].set_xlim(*limits)
        figure.tight_layout(w_pad=1.5)
        return as_svg(figure)


def _draw_row(axes: matplotlib.axes.Axes, place: int, row: ForestRow, chance: float) -> None:
    if np.isnan(row.value):
        axes.text(chance, place, " no value", va="center", color=GREY, fontsize=8)
        return
    if row.low > chance:
        colour, marker, face = BLUE, "o", BLUE
    elif row.high < chance:
        colour, marker, face = ORANGE, "v", ORANGE
    else:
        colour, marker, face = GREY, "s", "white"
    if not np.isnan(row.low):
        axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot(row.value, place, marker, color=colour, markerfacecolor=face, markersize=5.5)


def training_curves(histories: dict[tuple[str, int], pd.DataFrame], names: dict[str, str]) -> str:
    """Loss and accuracy by epoch, a row of panels for each pipeline, both stages. names: pipeline → its title."""
    pipelines = list(dict.fromkeys(pipeline for pipeline, _ in histories))
    stages = sorted({stage for _, stage in histories})
    columns = [(stage, metric) for stage in stages for metric in ("loss", "accuracy")]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.3 * len(columns) + 0.4, 1.55 * len(pipelines) + 0.3))
        grid = figure.subplots(len(pipelines), len(columns), squeeze=False)
        for pipeline, line in zip(pipelines, grid, strict=True):
            for (stage, metric), axes in zip(columns, line, strict=True):
                history = histories[pipeline, stage]
                axes.plot(history["epoch"], history[metric], "-", color=BLUE, label="training", marker=".")
                axes.plot(
                    *(history["epoch"], history[f"val_{metric}"], "--"), color=ORANGE, label="validation", marker="."
                )
                axes.set_title(f"stage {stage}, {metric}", fontsize=8, loc="left")
                axes.xaxis.get_major_locator().set_params(integer=True)
                axes.tick_params(labelsize=7)
                if metric == "accuracy":
                    axes.set_ylim(-0.03, 1.03)
            line[0].annotate(names[pipeline], (0, 1.28), xycoords="axes fraction", fontsize=9, fontweight="bold")
        grid[0][0].legend(fontsize=7, frameon=False)
        figure.tight_layout(h_pad=1.2)
        return as_svg(figure)
