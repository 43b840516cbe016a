"""Early stopping: which epoch a training keeps, and when it has waited long enough for a better one."""

from collections.abc import Sequence

import keras
import numpy as np

PLANNED, EARLY = "all epochs done", "validation loss no longer fell"


def best_epoch(history: Sequence[dict]) -> int:
    """The epoch (1-based) with the lowest validation loss, the first of equals."""
    return min(history, key=lambda row: row["val_loss"])["epoch"]


class BestEpoch:
    """Keeps the weights of the epoch with the lowest validation loss.

    patience: epochs to wait for a lower one; None keeps nothing, and a training runs to its end.
    """

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.weights: list[np.ndarray] = []

    def see(self, model: keras.Model, history: Sequence[dict]) -> None:
        """Take the model's weights if the last epoch is the best so far."""
        if self.patience is not None and best_epoch(history) == history[-1]["epoch"]:
            self.weights = [variable.numpy() for variable in model.variables]

    def is_over(self, history: Sequence[dict]) -> bool:
        """Whether the best epoch lies `patience` epochs back."""
        return self.patience is not None and bool(history) and len(history) - best_epoch(history) >= self.patience

    def finish(self, model: keras.Model, history: Sequence[dict]) -> list[dict]:
        """Give the model the best epoch's weights; returns the history with `kept` (0/1) and `stopped` (last row)."""
        for variable, value in zip(model.variables, self.weights, strict=False):
            variable.assign(value)
        kept = best_epoch(history) if self.patience is not None else history[-1]["epoch"]
        reason = EARLY if self.is_over(history) else PLANNED
        return [
            {**row, "kept": int(row["epoch"] == kept), "stopped": reason if row is history[-1] else ""}
            for row in history
        ]
