"""The Grad-CAM maps of all replicates of a model, and of networks with random weights, on the same slices.

Every map speaks for the class that the run's own model, the first replicate, predicts: so maps that differ do so for
another reason than that they explain another class.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from lungsight.files import atomic_path


@dataclass(frozen=True)
class ReplicateMaps:
    """Raw maps of n test slices, in table order.

    Attributes
    ----------
    slices, patients
        (n,) str.
    lung
        (n, H, W) bool, at the network's input size.
    trained
        (replicates, n, h, w) float32, of the layer's resolution; the run's own model first.
    random
        (networks, n, h, w) float32, of the same network with random weights.
    """

    slices: np.ndarray
    patients: np.ndarray
    lung: np.ndarray
    trained: np.ndarray
    random: np.ndarray

    def take(self, rows: np.ndarray) -> "ReplicateMaps":
        """Return some of the slices."""
        slices, patients, lung = (array[rows] for array in (self.slices, self.patients, self.lung))
        return ReplicateMaps(slices, patients, lung, self.trained[:, rows], self.random[:, rows])


def without_slices(replicates: int) -> ReplicateMaps:
    """Return what there is where no test slice can be explained."""
    names, maps = np.array([], np.str_), np.empty((replicates, 0, 1, 1), np.float32)
    return ReplicateMaps(names, names, np.empty((0, 1, 1), bool), maps, maps[:0])


def save_replicate_maps(path: Path, maps: ReplicateMaps) -> None:
    """Write the maps into an .npz file that opens with allow_pickle=False."""
    texts = {"slices": maps.slices.astype(np.str_), "patients": maps.patients.astype(np.str_)}
    arrays = {"lung": maps.lung, "trained": maps.trained, "random": maps.random}
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **texts, **arrays)


def load_replicate_maps(path: Path) -> ReplicateMaps:
    """Read what `save_replicate_maps` wrote."""
    with np.load(path, allow_pickle=False) as saved:
        return ReplicateMaps(**{field.name: saved[field.name] for field in fields(ReplicateMaps)})
