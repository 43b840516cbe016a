"""The style of the page's charts, as SVG text, and the forest plot.

Everybody can distinguish the colours, and shapes work without colours.

References
----------
Okabe & Ito, Color universal design, 2008: the palette.
"""

import io
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lungsight.report.results import RunResults

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#767676"
GRID = "#e4e4e4"
CLASS_COLOURS = (BLUE, ORANGE, GREEN, "#cc79a7", "#e69f00", "#56b4e9")
AUC_LIMITS = (-0.03, 1.03)
# matplotlib's stubs want a type of their own for the keys.
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be selected, found and read aloud
    "svg.hashsalt": "lungsight",  # the same input gives the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "text.parse_math": False,  # names of classes and cohorts may hold dollars
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def class_colours(n: int) -> list[str]:
    """Choose a colour for each of up to 20 classes: blue and orange first, then each most unlike those before."""
    chosen = [*CLASS_COLOURS]
    more = [to_hex(colour) for colour in matplotlib.colormaps["tab20"](range(20))]
    while len(chosen) < n:
        taken = np.array([to_rgb(colour) for colour in chosen])
        unlike = [np.linalg.norm(taken - to_rgb(colour), axis=1).min() for colour in more]
        chosen.append(more[int(np.argmax(unlike))])
    return chosen[:n]


# matplotlib's names of parts, alike in every chart; those of definitions stay.
_IDS = re.compile(
    r' id="(?:figure|axes|patch|text|line2d|matplotlib\.axis|xtick|ytick|legend|[A-Za-z]+Collection)_\d+"'
)
# What depends on the page's theme, dark or light. The last is what a chart shows by itself.
_THEME = {
    "#000000": "var(--ink, #000)",
    "#333333": "var(--ink, #333)",
    "#ffffff": "var(--ground, #fff)",
    "#e4e4e4": "var(--line, #e4e4e4)",
    "#f4f4f4": "var(--soft, #f4f4f4)",
}


class ForestRow(NamedTuple):
    """One line of a forest plot; NaN ends where there is no interval."""

    name: str
    value: float
    low: float
    high: float


def as_svg(figure: Figure) -> str:
    """Draw a figure as an <svg> element, without the XML prologue."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = _IDS.sub("", svg[svg.index("<svg") :]).replace(' target="_blank"', "")  # links lead to places of the page
    for colour, variable in _THEME.items():
        svg = svg.replace(colour, variable)
    return svg


def with_text(svg: str, title: str, description: str) -> Markup:
    """Put a title and a description into an <svg> element, for those who do not see it."""
    head, _, rest = svg.partition(">")
    texts = Markup("<title>{}</title><desc>{}</desc>").format(title, description)
    return Markup(head) + Markup(">") + texts + Markup(rest)


def forest_rows(results: RunResults, table: pd.DataFrame, metric: str) -> list[ForestRow]:
    """Make a line of each row, named after its pipeline."""
    return [
        ForestRow(results.display_name(row["pipeline"]), *(row[f"{metric}{end}"] for end in ("", "_lo", "_hi")))
        for _, row in table.iterrows()
    ]


def forest_plot(
    panels: Sequence[tuple[str, Sequence[ForestRow]]], chance: float, xlabel: str, limits: tuple[float, float] | None
) -> str:
    """Draw values with their intervals, one panel beside the other, a dashed line at chance.

    The marker tells on which side of chance the whole interval lies: a filled circle above, an open square across it, a
    filled triangle below.

    Parameters
    ----------
    panels
        (title, rows). All have the same names in the same order.
    limits
        Of the x axis; fitted to the data where None.
    """
    names = [row.name for row in panels[0][1]]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.2 + 2.5 * len(panels), 0.9 + 0.3 * len(names)))
        all_axes = figure.subplots(1, len(panels), sharey=True, sharex=True, squeeze=False)[0]
        for axes, (title, rows) in zip(all_axes, panels, strict=True):
            prepare_panel(axes, title, xlabel, chance)
            for place, row in enumerate(rows):
                _draw_row(axes, place, row, chance)
        all_axes[0].set_yticks(range(len(names)), names)
        all_axes[0].set_ylim(len(names) - 0.4, -0.6)
        if limits:
            all_axes[0].set_xlim(*limits)
        figure.tight_layout(w_pad=1.5)
        return as_svg(figure)


def prepare_panel(axes: Axes, title: str, xlabel: str, chance: float) -> None:
    """Give a panel its title, its grid and a dashed line at chance."""
    axes.axvline(chance, color=GREY, linestyle=(0, (4, 3)), linewidth=1)
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xlabel(xlabel)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def whole_numbers(axis: Axis) -> None:
    """Mark an axis at whole numbers alone."""
    axis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 2.5, 5, 10], integer=True))


def _draw_row(axes: Axes, place: int, row: ForestRow, chance: float) -> None:
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
