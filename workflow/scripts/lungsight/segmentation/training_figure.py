"""Draw the training of the segmentation, and the Dice of every case."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lungsight.files import atomic_path
from lungsight.subsets import SUBSETS

COLOURS = {"train": "#4477aa", "val": "#ee8833", "test": "#228844"}
GREY = "#666666"
WIDTH_OF_STRIP = 0.25


def draw_curve(path: Path, metrics: pd.DataFrame, training: pd.DataFrame | None) -> None:
    """Draw curve.png from the tables metrics.tsv and training.tsv. training: None if no network was trained."""
    panels = 1 if training is None else 3
    figure = Figure(figsize=(4.2 * panels, 3.6), layout="constrained", dpi=144)
    axes = np.atleast_1d(figure.subplots(1, panels))
    if training is not None:
        _draw_losses(axes[0], training)
        _draw_epoch_dice(axes[1], training)
    _draw_case_dice(axes[-1], metrics)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, metadata={"Software": None})


def _marker(epochs: pd.Series) -> str:
    """Mark every epoch with a dot if there are few; else draw the line alone."""
    return "o" if len(epochs) <= 20 else ""


def _draw_losses(axis: Axes, training: pd.DataFrame) -> None:
    for subset in ("train", "val"):
        axis.plot(
            training["epoch"],
            training[f"{subset}_loss"],
            color=COLOURS[subset],
            marker=_marker(training["epoch"]),
            label=subset,
        )
    axis.set(title="Loss (cross-entropy − Dice)", xlabel="epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(frameon=False)


def _draw_epoch_dice(axis: Axes, training: pd.DataFrame) -> None:
    axis.plot(training["epoch"], training["dice"], color=COLOURS["val"], marker=_marker(training["epoch"]))
    axis.set(title="Dice on validation patches", xlabel="epoch", ylim=_dice_limits(training["dice"]))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_case_dice(axis: Axes, metrics: pd.DataFrame) -> None:
    """Draw every row as a dot and the mean of a subset as a bar. Dots stand side by side: none hides another."""
    for position, subset in enumerate(SUBSETS):
        values = metrics.loc[metrics["split"] == subset, "dice"].dropna()
        if values.empty:
            continue
        places = position + np.linspace(-WIDTH_OF_STRIP, WIDTH_OF_STRIP, len(values) + 2)[1:-1]
        axis.scatter(places, values, s=18, color=COLOURS[subset], alpha=0.7, linewidths=0)
        axis.hlines(
            values.mean(), position - WIDTH_OF_STRIP, position + WIDTH_OF_STRIP, color=COLOURS[subset], linewidth=2
        )
        axis.annotate(
            f"{values.mean():.3f}", (position + WIDTH_OF_STRIP, values.mean()), (3, 0), textcoords="offset points",
            va="center", color=GREY, fontsize=9,
        )  # fmt: skip
    unit = "slice" if "z_index" in metrics else "case"
    axis.set(title=f"Dice of each {unit}, against its contours", ylim=_dice_limits(metrics["dice"]), xlim=(-0.6, 2.8))
    counts = metrics["split"].value_counts()
    axis.set_xticks(range(len(SUBSETS)), [f"{subset}\n({counts.get(subset, 0)})" for subset in SUBSETS])


def _dice_limits(dice: pd.Series) -> tuple[float, float]:
    """Return an axis from a round value below the worst Dice to 1, so that small differences stay visible."""
    worst = dice.min() if dice.notna().any() else 0.0
    return np.floor(worst * 10 - 1e-9).clip(0) / 10, 1.005
