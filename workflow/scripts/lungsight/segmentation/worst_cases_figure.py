"""Draw the cases with the lowest Dice: both outlines, on the slice where they differ most."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lungsight.files import atomic_path
from lungsight.intake.geometry import slice_to_image

SHOWN = 4
TRUTH, PREDICTED = "#4dc3ff", "#ff9d2e"
COLUMNS = 2


class Comparison(NamedTuple):
    """A row of metrics.tsv to draw, with its image, contours and prediction.

    The three arrays are (i, j, k); their first slice is number `first` of the case.
    """

    row: pd.Series
    first: int
    volume: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray


def worst_cases(metrics: pd.DataFrame, count: int = SHOWN) -> pd.DataFrame:
    """Return the rows of metrics.tsv with the lowest Dice, test cases first, without rows that have no Dice."""
    measured = metrics[metrics["dice"].notna()]
    ranked = measured.assign(later=measured["split"] != "test").sort_values(["later", "dice"], kind="stable")
    return ranked.head(count).drop(columns="later")


def most_different_slice(truth: np.ndarray, predicted: np.ndarray) -> int:
    """Return the index along k at which two masks differ by most voxels."""
    return int(np.argmax((truth ^ predicted).sum(axis=(0, 1))))


def _draw_case(axis: Axes, comparison: Comparison) -> None:
    k = most_different_slice(comparison.truth, comparison.predicted)
    image, truth, predicted = (
        slice_to_image(array[:, :, k]) for array in (comparison.volume, comparison.truth, comparison.predicted)
    )
    axis.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="bilinear")
    for mask, colour, style in ((truth, TRUTH, "solid"), (predicted, PREDICTED, "dashed")):
        if mask.any():
            axis.contour(mask, levels=[0.5], colors=colour, linewidths=1.2, linestyles=style)
    row = comparison.row
    axis.set_title(f"{row['split']} · Dice {row['dice']:.3f} · slice {comparison.first + k}", fontsize=9)
    axis.text(0.02, 0.5, "R", color="white", va="center", transform=axis.transAxes)  # the patient's right
    axis.set_axis_off()


def draw_worst(path: Path, comparisons: list[Comparison]) -> None:
    """Draw worst.png. Without any comparison, the picture says so."""
    lines = max(1, -(-len(comparisons) // COLUMNS))
    figure = Figure(figsize=(3.4 * COLUMNS, 3.5 * lines + 0.4), layout="constrained", dpi=144)
    axes = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, comparison in zip(axes, comparisons, strict=False):
        _draw_case(axis, comparison)
    if not comparisons:
        axes[0].text(0.0, 0.5, "No case could be compared.", transform=axes[0].transAxes)
    handles = [
        Line2D([], [], color=TRUTH, label="contours"),
        Line2D([], [], color=PREDICTED, linestyle="dashed", label="predicted"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, metadata={"Software": None})
