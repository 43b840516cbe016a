"""Keep what a training needs to go on after one of its last epochs.

The file is named after everything that the training depends on, so that another training does not find it.
"""

import hashlib
import json
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lungsight.files import atomic_path
from lungsight.program import log
from lungsight.training.adam import Optimizer
from lungsight.training.early_stopping import EarlyStopping

# Of the provenance, what a training may go on without: a run is often resumed with another number of cores.
NOT_DEPENDED_ON = ("threads",)


SHARE = 0.05  # of a training's time that writing checkpoints may take


class Pace:
    """Say when a checkpoint is due: after the first epoch, and then so seldom that writing takes at most SHARE.

    Parameters
    ----------
    share : float
        Of the time.
    clock : callable
        Returns seconds.
    """

    def __init__(self, share: float = SHARE, clock: Callable[[], float] = time.monotonic) -> None:
        self.share, self.clock = share, clock
        self.written, self.cost = clock(), 0.0

    def is_due(self) -> bool:
        """Tell whether to write one now."""
        return self.share * (self.clock() - self.written) >= self.cost

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Measure what writing inside takes."""
        started = self.clock()
        yield
        self.written = self.clock()
        self.cost = self.written - started


@dataclass(frozen=True)
class Checkpoint:
    """One file with weights, the optimizer's and a remedy's state, the history and the best epoch's weights.

    The last are there under early stopping alone.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the file.
    digest : str
        Digest of all that the training depends on. It names the file.
    """

    folder: Path
    digest: str

    @classmethod
    def of(cls, folder: Path, provenance: dict[str, Any]) -> "Checkpoint":
        """Name the checkpoint of the training with this provenance, which JSON can express."""
        depends_on = {name: value for name, value in provenance.items() if name not in NOT_DEPENDED_ON}
        text = json.dumps(depends_on, sort_keys=True, ensure_ascii=False)
        return cls(folder, hashlib.sha256(text.encode()).hexdigest()[:16])

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self.folder / f"{self.digest}.npz"

    def save(
        self,
        model: keras.Model,
        optimizer: Optimizer,
        history: list[dict],
        stopping: EarlyStopping,
        remembered: Sequence[tf.Variable] = (),
    ) -> None:
        """Write the state after the last epoch of `history`, whole or not at all. remembered: by a remedy."""
        arrays = {f"model_{number}": variable.numpy() for number, variable in enumerate(model.variables)}
        arrays |= {f"optimizer_{number}": variable.numpy() for number, variable in enumerate(optimizer.variables)}
        arrays |= {f"remedy_{number}": variable.numpy() for number, variable in enumerate(remembered)}
        arrays |= {f"best_{number}": value for number, value in enumerate(stopping.best_weights or [])}
        with atomic_path(self.path) as temporary:
            np.savez(temporary, digest=self.digest, history=json.dumps(history), **arrays)

    def restore(
        self,
        model: keras.Model,
        optimizer: Optimizer,
        stopping: EarlyStopping,
        remembered: Sequence[tf.Variable] = (),
    ) -> list[dict]:
        """Go back to the epoch of the checkpoint.

        A file that is damaged or of another training is refused with a message. The training then starts over.

        Parameters
        ----------
        model : keras.Model
            Network that gets its weights back.
        optimizer : Optimizer
            Optimizer that gets its state back.
        stopping : EarlyStopping
            Early stopping that gets the best epoch back.
        remembered : sequence of tf.Variable
            What a remedy remembers, which it gets back.

        Returns
        -------
        list of dict
            The history so far, empty if the training starts at its first epoch.
        """
        if not self.path.is_file():
            if any(self.folder.glob("*.npz")):
                log(f"What {self.folder} holds is of other settings, images or code: the training starts at epoch 1.")
            return []
        try:
            history, weights, state, best_weights = self._read(model, [*optimizer.variables], remembered)
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            log(f"The checkpoint {self.digest} is refused ({error}). The training starts over from its first epoch.")
            self.path.unlink()
            return []
        variables = [*model.variables, *optimizer.variables, *remembered]
        for variable, value in zip(variables, [*weights, *state], strict=True):
            variable.assign(value)
        stopping.resume(history, best_weights)
        log(f"Going on after epoch {len(history)}.")
        return history

    def remove(self) -> None:
        """Remove the folder, with what earlier settings left there."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(
        self, model: keras.Model, of_optimizer: Sequence[keras.Variable], remembered: Sequence[tf.Variable]
    ) -> tuple[list[dict], list[np.ndarray], list[np.ndarray], list[np.ndarray] | None]:
        # Reading an array to its end checks its checksum, so all are read before anything is set.
        with np.load(self.path, allow_pickle=False) as file:
            if str(file["digest"]) != self.digest:
                raise ValueError("it belongs to another training")
            weights = _arrays(file, "model", model.variables)
            state = [*_arrays(file, "optimizer", of_optimizer), *_arrays(file, "remedy", remembered)]
            best_weights = _arrays(file, "best", model.weights) if "best_0" in file else None
            history = json.loads(str(file["history"]))
        return history, weights, state, best_weights


def _arrays(
    file: Mapping[str, np.ndarray], kind: str, variables: Sequence[keras.Variable] | Sequence[tf.Variable]
) -> list[np.ndarray]:
    """Read one array for each variable. Raise ValueError where one does not fit."""
    found = [file[f"{kind}_{number}"] for number in range(len(variables))]
    if [value.shape for value in found] != [tuple(variable.shape) for variable in variables]:
        raise ValueError("it belongs to another network")
    return found
