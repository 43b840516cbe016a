"""Stop a training whose validation loss no longer falls, and keep its best epoch."""

import sys
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

PLANNED, EARLY = "all epochs done", "validation loss no longer fell"


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras's early stopping on the validation loss, for a training that can be resumed.

    Parameters
    ----------
    model : keras.Model
        The network that is trained.
    patience : int or None
        Epochs to wait for a lower validation loss. None trains all epochs and keeps the last one.
    """

    def __init__(self, model: keras.Model, patience: int | None) -> None:
        wait, keep_best = (sys.maxsize, False) if patience is None else (patience, True)
        super().__init__("val_loss", mode="min", patience=wait, restore_best_weights=keep_best)
        self.set_model(model)
        self.on_train_begin()

    @property
    def is_over(self) -> bool:
        """Whether the best epoch lies `patience` epochs back."""
        return self.stopped_epoch > 0

    def see(self, row: dict[str, Any]) -> None:
        """Take note of an epoch that has just ended. The model still has the weights of that epoch.

        Parameters
        ----------
        row : dict
            Row of the history, with at least `epoch` (from 1). One without `val_loss` is of a training that never stops
            early.
        """
        if self.monitor in row:
            self.on_epoch_end(row["epoch"] - 1, row)

    def resume(self, history: Sequence[dict[str, Any]], best_weights: list[np.ndarray] | None) -> None:
        """Go on after the epochs of `history`, whose best one had these weights."""
        for row in history:
            self.see(row)
        self.best_weights = best_weights

    def finish(self, history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Give the model the weights of the epoch that is kept.

        Returns
        -------
        list of dict
            The history with two more columns. `kept` is 1 for the epoch that is kept, else 0. `stopped` says in the
            last row why the training ended, and is empty before.
        """
        self.on_train_end()
        kept = self.best_epoch + 1 if self.restore_best_weights else history[-1]["epoch"]
        reason = EARLY if self.is_over else PLANNED
        return [
            {**row, "kept": int(row["epoch"] == kept), "stopped": reason if row is history[-1] else ""}
            for row in history
        ]
