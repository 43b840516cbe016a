"""The chart of the replicates: several bands for each pipeline, one panel beside the other."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lungsight.report.charts import BLUE, GREEN, GREY, ORANGE, STYLE, as_svg, prepare_panel

# Of the kinds of bands in a panel, in order: colour and marker.
MARKS = ((BLUE, "o"), (ORANGE, "s"), (GREY, "v"), (GREEN, "D"))
HEIGHT = 0.16  # inches of a band


class Band(NamedTuple):
    """A value between two ends; NaN where there is none."""

    value: float = np.nan
    low: float = np.nan
    high: float = np.nan


Panel = tuple[str, Mapping[str, Sequence[Band]], float]


def bands_chart(names: Sequence[str], panels: Sequence[Panel]) -> str:
    """Draw bands below one another for each name.

    Parameters
    ----------
    names
        Of the lines, from above.
    panels
        (title of the x axis, kind of band → a band for each name, value at chance).
    """
    most = max(len(kinds) for _, kinds, _ in panels)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.4 + 3.1 * len(panels), 1.5 + (HEIGHT * most + 0.1) * len(names)))
        all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (title, kinds, chance) in zip(all_axes, panels, strict=True):
            prepare_panel(axes, "", title, chance)
            for place, (kind, bands) in enumerate(kinds.items()):
                _draw(axes, bands, kind, place, len(kinds))
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, frameon=False)
        all_axes[0].set_yticks(range(len(names)), names)
        all_axes[0].set_ylim(len(names) - 0.5, -0.5)
        figure.tight_layout(w_pad=1.5)
        return as_svg(figure)


def _draw(axes: Axes, bands: Sequence[Band], kind: str, place: int, kinds: int) -> None:
    """Draw the bands of one kind, each a little above or below the line of its name."""
    colour, marker = MARKS[place]
    lines = np.arange(len(bands)) + (place - (kinds - 1) / 2) * 0.7 / kinds
    for line, band in zip(lines, bands, strict=True):
        axes.plot([band.low, band.high], [line, line], color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot([band.value for band in bands], lines, marker, color=colour, markersize=4.5, label=kind)
