"""Pictures of maps over slices: which are drawn is a rule, not a choice by hand."""

import io
from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image

from lungsight.explain.mean_map import BEYOND, MeanMap

# Perceptually uniform, and read alike with every kind of colour vision.
COLOURS = "viridis"
LUNG_COLOUR = "#ff9ecf"
SAMPLING_RULE = (
    "per outcome, the slices whose enrichment is the median (typical), the lowest (worst) and the highest, then those"
    " half-way between"
)
_NAMES = {0.5: "median", 0.0: "lowest", 1.0: "highest"}


def _quantiles() -> Iterator[float]:
    """Yield 0.5, 0, 1, then ever finer steps: 0.25, 0.75, 0.125, 0.375 and so on."""
    yield from (0.5, 0.0, 1.0)
    step = 4
    while True:
        yield from (odd / step for odd in range(1, step, 2))
        step *= 2


def sample(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Choose the slices of saliency.tsv to draw: at most `count` of each outcome, by SAMPLING_RULE.

    Only slices with an enrichment can be chosen. Ties keep the table's order.

    Returns
    -------
    Rows of `table`, with its index, and a column `position`: median, lowest, highest, or "quantile 0.25" and so on.
    """
    chosen: dict[int, str] = {}
    for _, group in table[table["enrichment"].notna()].groupby("outcome", sort=False):
        ordered = group.sort_values("enrichment", kind="stable").index
        taken = 0
        for quantile in _quantiles():
            if taken == min(count, len(ordered)):
                break
            row = ordered[round(quantile * (len(ordered) - 1))]
            if row not in chosen:
                chosen[row] = _NAMES.get(quantile, f"quantile {quantile:g}")
                taken += 1
    return table.loc[list(chosen)].assign(position=list(chosen.values()))


def draw_overlay(
    image: np.ndarray, mask: np.ndarray, heat: np.ndarray, title: str, detail: str, sided: bool = False
) -> bytes:
    """The slice with the lung's outline, and beside it the same with the map over it, as the bytes of a PNG.

    image: (H, W) uint8. mask: (H, W) bool, the lung. heat: (H, W) non-negative, shown as a share of its maximum; the
    colour is the more opaque the higher it is. sided: write R at the image's left, the patient's right.
    """
    share = heat / heat.max() if heat.max() > 0 else heat
    figure = Figure(figsize=(5.4, 2.85), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    for left, covered in ((0.005, False), (0.455, True)):
        axes = figure.add_axes((left, 0.02, 0.445, 0.845))
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="bilinear")
        if covered:
            axes.imshow(share, cmap=COLOURS, vmin=0, vmax=1, alpha=0.75 * np.sqrt(share), interpolation="bilinear")
        if mask.any() and not mask.all():
            axes.contour(mask, levels=[0.5], colors=LUNG_COLOUR, linewidths=1.1)
        if sided:
            outline = [withStroke(linewidth=2, foreground="black")]
            axes.text(0.02, 0.5, "R", color="white", va="center", transform=axes.transAxes, path_effects=outline)
        axes.set_axis_off()
    bar = figure.add_axes((0.912, 0.06, 0.02, 0.765))
    figure.colorbar(ScalarMappable(Normalize(0, 1), COLOURS), cax=bar, ticks=[0, 0.5, 1])
    bar.tick_params(labelsize=8, length=2)
    figure.text(0.008, 0.985, title, ha="left", va="top", fontsize=9.5, fontweight="bold")
    figure.text(0.992, 0.985, detail, ha="right", va="top", fontsize=9)
    return _png(canvas)


def draw_mean_maps(maps: list[MeanMap]) -> bytes:
    """The mean map of each class in the frame around the lung's box, on one colour scale, as the bytes of a PNG."""
    figure = Figure(figsize=(5.4, 2.85), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    if not maps:
        figure.text(0.5, 0.5, "No map could be measured", ha="center", va="center", fontsize=9.5)
        return _png(canvas)
    scale = Normalize(0, max(2.0, *(np.nanmax(one.heat) for one in maps)))
    beyond_rows, beyond_columns = BEYOND
    for number, one in enumerate(maps):
        axes = figure.add_axes((0.005 + 0.45 * number, 0.02, 0.445, 0.845))
        extent = (-beyond_columns, 1 + beyond_columns, 1 + beyond_rows, -beyond_rows)
        axes.set_facecolor("0.85")
        axes.imshow(one.heat, cmap=COLOURS, norm=scale, extent=extent, interpolation="bilinear")
        axes.contour(one.lung, levels=[0.5], colors=LUNG_COLOUR, linewidths=1.6, extent=extent, origin="upper")
        axes.add_patch(Rectangle((0, 0), 1, 1, fill=False, edgecolor="white", linewidth=0.8, linestyle=":"))
        axes.set(xticks=[], yticks=[], aspect=one.aspect)
        patients = "patient" if one.patients == 1 else "patients"
        title = f"{one.label} · {one.slices} slices of {one.patients} {patients}"
        figure.text(0.008 + 0.45 * number, 0.955, title, ha="left", va="top", fontsize=8.5, fontweight="bold")
    bar = figure.add_axes((0.912, 0.06, 0.02, 0.765))
    figure.colorbar(ScalarMappable(scale, COLOURS), cax=bar, ticks=sorted({0, 1, *np.floor([scale.vmax])}))
    bar.axhline(1, color="white", linewidth=1.5)
    bar.tick_params(labelsize=8, length=2)
    return _png(canvas)


def _png(canvas: FigureCanvasAgg) -> bytes:
    canvas.draw()
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).save(buffer, format="PNG")
    return buffer.getvalue()
