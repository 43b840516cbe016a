"""Draw the training curve."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lungsight.files import atomic_path


def title_of(pipeline: str, stage: int, weights: dict[str, Any]) -> str:
    """Return the title of a model's curve; it names stand-in weights, and a stage 2 without stage 1.

    Parameters
    ----------
    pipeline, stage
        Of the model.
    weights
        As provenance.json has them.
    """
    without_stage_1 = " without stage 1" if stage == 2 and weights["kind"] != "parent" else ""
    stand_in = " (from stand-in weights, not ImageNet)" if weights["origin"] == "stand-in" else ""
    return f"{pipeline}, stage {stage}{without_stage_1}{stand_in}"


def draw_curve(path: Path, history: list[dict], title: str) -> None:
    """Draw loss and accuracy of training (augmented images) and validation, learning rate and seconds, by epoch."""
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    loss, accuracy, rate, seconds = figure.subplots(1, 4, width_ratios=[3, 3, 2, 2])
    for axis, quantity in ((loss, "loss"), (accuracy, "accuracy")):
        _plot(axis, history, quantity, "training (augmented)")
        _plot(axis, history, f"val_{quantity}", "validation")
        axis.set_ylabel(quantity)
    _plot(rate, history, "learning_rate", "learning rate")
    rate.set(ylabel="learning rate, last step", ylim=(0, None))
    seconds.bar([row["epoch"] for row in history], [row["seconds"] for row in history], color="#767676")
    seconds.set_ylabel("seconds")
    kept = next(row["epoch"] for row in history if row["kept"])
    for axis in (loss, accuracy, rate, seconds):
        axis.axvline(kept, color="#009e73", linestyle=(0, (4, 3)), linewidth=1, label=f"epoch {kept} kept")
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    loss.set_ylim(bottom=0)
    accuracy.set_ylim(0, 1.02)
    loss.legend(fontsize="small")
    figure.suptitle(f"{title}: {history[-1]['stopped']}", fontsize="medium")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _plot(axis: Axes, history: list[dict], quantity: str, label: str) -> None:
    axis.plot([row["epoch"] for row in history], [row[quantity] for row in history], marker=".", label=label)
