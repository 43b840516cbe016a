"""One picture of the battery: which part of the slice do the answers follow?"""

from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lungsight.audit.rows import UNMODIFIED
from lungsight.report.charts import BLUE, GREEN, GREY, ORANGE, STYLE, as_svg


class Series(NamedTuple):
    """An intervention in the chart: its marker and colour, a symbol that looks like it, and what it means."""

    variant: str
    marker: str
    colour: str
    symbol: str
    words: str


SERIES = (
    Series(UNMODIFIED, "o", GREY, "●", "slices as they are"),
    Series("lung_only_other", "^", BLUE, "▲", "own lung, all else of a patient of the other class"),
    Series("background_only_other", "v", ORANGE, "▼", "lung of a patient of the other class, all else own"),
    Series("background_only_mean", "D", GREEN, "◆", "lung a flat grey"),
)


def swap_chart(panels: dict[str, dict[str, pd.DataFrame]]) -> str:
    """AUC by patient with its interval, a line for each model and intervention of SERIES, a panel for each stage.

    panels: title → model → rows of the battery, indexed by variant.
    """
    names = list(next(iter(panels.values())))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.4 + 3.1 * len(panels), 0.9 + 0.5 * len(names)))
        all_axes = figure.subplots(1, len(panels), sharey=True, sharex=True, squeeze=False)[0]
        for axes, (title, models) in zip(all_axes, panels.items(), strict=True):
            axes.axvline(0.5, color=GREY, linestyle=(0, (4, 3)), linewidth=1)
            for place, rows in enumerate(models.values()):
                _draw_model(axes, place, rows)
            axes.set_title(title, fontsize=9, loc="left")
            axes.set_xlabel("AUC by patient, 95 % interval")
            axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
            axes.set_axisbelow(True)
        for place in range(1, len(names)):
            for axes in all_axes:
                axes.axhline(place - 0.5, color="#e4e4e4", linewidth=0.6)
        all_axes[0].set_yticks(range(len(names)), names)
        all_axes[0].set_ylim(len(names) - 0.5, -0.5)
        all_axes[0].set_xlim(-0.03, 1.03)
        figure.tight_layout(w_pad=1.5)
        return as_svg(figure)


def _draw_model(axes: matplotlib.axes.Axes, place: int, rows: pd.DataFrame) -> None:
    for step, one in zip(np.linspace(-0.3, 0.3, len(SERIES)), SERIES, strict=True):
        if one.variant not in rows.index or np.isnan(rows.loc[one.variant, "value"]):
            continue
        row, height = rows.loc[one.variant], place + step
        if not np.isnan(row["value_lo"]):
            axes.plot([row["value_lo"], row["value_hi"]], [height, height], color=one.colour, linewidth=1.4)
        axes.plot(row["value"], height, one.marker, color=one.colour, markersize=5)
