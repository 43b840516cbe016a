"""The chart of the transfer study: numbers in a grid, readable without colours."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lungsight.report.charts import STYLE, as_svg

DARK = 0.5  # from this share of the scale on, a cell is dark and its numbers are light
# Other blacks and whites than those that follow the page's theme: the cells keep their greys.
INK, PAPER = "#111111", "#fdfdfd"


class HeatMap(NamedTuple):
    """One panel: a value, and below it a note, for each row and column; NaN and "" where there is none."""

    title: str
    values: np.ndarray
    notes: Sequence[Sequence[str]]


def heat_maps(panels: Sequence[HeatMap], rows: Sequence[str], columns: Sequence[str], labels: tuple[str, str]) -> str:
    """Draw panels side by side on one grey scale; every cell writes its value and its note.

    Parameters
    ----------
    panels
        All have these rows, from above, and columns.
    rows, columns
        Their names.
    labels
        Of the horizontal and the vertical axis.
    """
    known = np.concatenate([panel.values.ravel() for panel in panels])
    known = known[~np.isnan(known)]
    scale = Normalize(*((known.min(), known.max()) if known.size and np.ptp(known) else (0, 1)))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1.6 + 1.25 * len(columns) * len(panels), 1.2 + 0.62 * len(rows)))
        all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(all_axes, panels, strict=True):
            _draw(axes, panel, scale)
            axes.set_xticks(range(len(columns)), columns)
            axes.set_xlabel(labels[0])
        all_axes[0].set_yticks(range(len(rows)), rows)
        all_axes[0].set_ylabel(labels[1])
        figure.tight_layout(w_pad=1.5)
        return as_svg(figure)


def _draw(axes: Axes, panel: HeatMap, scale: Normalize) -> None:
    """Draw the cells as vectors: light is low, dark is high."""
    axes.set_title(panel.title, fontsize=9, loc="left")
    axes.tick_params(length=0)
    notes = np.array(panel.notes, dtype=object)
    for (row, column), value in np.ndenumerate(panel.values):
        if np.isnan(value):
            continue
        share = float(scale(value))
        axes.add_patch(Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, color=str(0.97 - 0.75 * share)))
        ink = PAPER if share > DARK else INK
        axes.text(column, row - 0.12, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=11, weight="bold")
        axes.text(column, row + 0.24, str(notes[row, column]), ha="center", va="center", color=ink, fontsize=7.5)
    axes.set_xlim(-0.5, panel.values.shape[1] - 0.5)
    axes.set_ylim(panel.values.shape[0] - 0.5, -0.5)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
