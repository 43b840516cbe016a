"""The picture of the segmentation: how training went, and the Dice of every case."""

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
    """Draw curve.png from the tables metrics.tsv and training.tsv; training is None where no network was trained."""
    panels = [_draw_losses, _draw_epoch_dice] if training is not None else []
    figure = Figure(figsize=(4.2 * (len(panels) + 1), 3.6), layout="constrained", dpi=144)
    axes = np.atleast_1d(figure.subplots(1, len(panels) + 1))
    for draw, axis in zip(panels, axes, strict=False):
        draw(axis, training)
    _draw_case_dice(axes[-1], metrics)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, metadata={"Software": None})


def _marker(epochs: pd.Series) -> str:
    """Dots where there are few epochs, else a bare line."""
    return "o" if len(epochs) <= 20 else ""


def _draw_losses(axis: Axes, training: pd.DataFrame) -> None:
    for side in ("train", "val"):
        axis.plot(
            training["epoch"],
            training[f"{side}_loss"],
            color=COLOURS[side],
            marker=_marker(training["epoch"]),
            label=side,
        )
    axis.set(title="Loss (cross-entropy − Dice)", xlabel="epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(frameon=False)


def _draw_epoch_dice(axis: Axes, training: pd.DataFrame) -> None:
    axis.plot(training["epoch"], training["dice"], color=COLOURS["val"], marker=_marker(training["epoch"]))
    axis.set(title="Dice on validation patches", xlabel="epoch", ylim=_dice_limits(training["dice"]))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_case_dice(axis: Axes, metrics: pd.DataFrame) -> None:
    """Every row a dot, the mean of a side a bar; rows side by side in their order, so that no dot hides another."""
    for position, side in enumerate(SUBSETS):
        values = metrics.loc[metrics["split"] == side, "dice"].dropna()
        if values.empty:
            continue
        places = position + np.linspace(-WIDTH_OF_STRIP, WIDTH_OF_STRIP, len(values) + 2)[1:-1]
        axis.scatter(places, values, s=18, color=COLOURS[side], alpha=0.7, linewidths=0)
        axis.hlines(
            values.mean(), position - WIDTH_OF_STRIP, position + WIDTH_OF_STRIP, color=COLOURS[side], linewidth=2
        )
        axis.annotate(
            f"{values.mean():.3f}", (position + WIDTH_OF_STRIP, values.mean()), (3, 0), textcoords="offset points",
            va="center", color=GREY, fontsize=9,
        )  # fmt: skip
    what = "slice" if "z_index" in metrics else "case"
    axis.set(title=f"Dice of each {what}, against its contours", ylim=_dice_limits(metrics["dice"]), xlim=(-0.6, 2.8))
    counts = metrics["split"].value_counts()
    axis.set_xticks(range(len(SUBSETS)), [f"{side}\n({counts.get(side, 0)})" for side in SUBSETS])


def _dice_limits(dice: pd.Series) -> tuple[float, float]:
    """From a round value below the worst Dice to 1, so that good ones can still be told apart."""
    worst = dice.min() if dice.notna().any() else 0.0
    return np.floor(worst * 10 - 1e-9).clip(0) / 10, 1.005
