"""What a training needs to go on after the last finished epoch, in one file per state of everything it depends on."""

import hashlib
import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from lungsight.files import atomic_path
from lungsight.program import log
from lungsight.training.adam import Adam
from lungsight.training.early_stopping import EarlyStopping

# Of the provenance, what a training may go on without: a run is often resumed with another number of cores.
NOT_DEPENDED_ON = ("threads",)


@dataclass(frozen=True)
class Checkpoint:
    """One file: weights, optimizer state, history and, under early stopping, the best epoch's weights.

    `digest`, of all that the training depends on, names it.
    """

    folder: Path
    digest: str

    @classmethod
    def of(cls, folder: Path, provenance: dict) -> "Checkpoint":
        """The checkpoint of the training with this provenance, which JSON can express."""
        depends_on = {name: value for name, value in provenance.items() if name not in NOT_DEPENDED_ON}
        text = json.dumps(depends_on, sort_keys=True, ensure_ascii=False)
        return cls(folder, hashlib.sha256(text.encode()).hexdigest()[:16])

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"{self.digest}.npz"

    def save(self, model: keras.Model, optimizer: Adam, history: list[dict], stopping: EarlyStopping) -> None:
        """Write the state after the last epoch of `history`, whole or not at all."""
        arrays = {f"model_{number}": variable.numpy() for number, variable in enumerate(model.variables)}
        arrays |= {f"optimizer_{number}": value for number, value in enumerate(optimizer.state())}
        arrays |= {f"best_{number}": value for number, value in enumerate(stopping.best_weights or [])}
        with atomic_path(self.path) as temporary:
            np.savez(temporary, digest=self.digest, history=json.dumps(history), **arrays)

    def restore(self, model: keras.Model, optimizer: Adam, stopping: EarlyStopping) -> list[dict]:
        """Go back to the last finished epoch; returns the history so far, empty where there is nothing to go back to.

        A file that is damaged or of another training is refused with a message, and the training starts over.
        """
        if not self.path.is_file():
            if any(self.folder.glob("*.npz")):
                log(f"What {self.folder} holds is of other settings, images or code: the training starts at epoch 1.")
            return []
        try:
            history, weights, state, best_weights = self._read(model, optimizer)
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            log(f"The checkpoint {self.digest} is refused ({error}). The training starts over from its first epoch.")
            self.path.unlink()
            return []
        for variable, value in zip(model.variables, weights, strict=True):
            variable.assign(value)
        optimizer.restore(state)
        stopping.resume(history, best_weights)
        log(f"Going on after epoch {len(history)}.")
        return history

    def remove(self) -> None:
        """Remove the folder, with what earlier settings left there."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(
        self, model: keras.Model, optimizer: Adam
    ) -> tuple[list[dict], list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        wanted = [np.shape(variable) for variable in model.variables]
        wanted_state = [np.shape(value) for value in optimizer.state()]
        # Reading an array to its end checks its checksum, so all are read before anything is set.
        with np.load(self.path, allow_pickle=False) as file:
            if str(file["digest"]) != self.digest:
                raise ValueError("it belongs to another training")
            weights = [file[f"model_{number}"] for number in range(len(wanted))]
            state = [file[f"optimizer_{number}"] for number in range(len(wanted_state))]
            best_weights = [file[f"best_{number}"] for number in range(len(wanted)) if "best_0" in file]
            history = json.loads(str(file["history"]))
        kept_fit = all([value.shape for value in kept] == wanted for kept in (weights, best_weights or weights))
        if not kept_fit or [value.shape for value in state] != wanted_state:
            raise ValueError("it belongs to another network")
        return history, weights, state, best_weights
