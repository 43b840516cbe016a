"""The training curve as a picture."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lungsight.files import atomic_path


def draw_curve(path: Path, history: list[dict], title: str) -> None:
    """Draw loss and accuracy over epochs, of training (augmented images) and validation, into a PNG."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    for axis, quantity in zip(axes, ("loss", "accuracy"), strict=True):
        axis.plot(epochs, [row[quantity] for row in history], marker=".", label="training (augmented)")
        axis.plot(epochs, [row[f"val_{quantity}"] for row in history], marker=".", label="validation")
        axis.set(xlabel="epoch", ylabel=quantity)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylim(0, 1.02)
    axes[0].legend(fontsize="small")
    figure.suptitle(title)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
