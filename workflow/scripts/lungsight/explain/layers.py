"""Keep what an overlay is laid together from: slice, lung, lesions and map, each by itself.

A page can then show and hide each of them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lungsight.files import atomic_path


@dataclass(frozen=True)
class Layers:
    """The layers of n slices of one model.

    Attributes
    ----------
    slices
        (n,) their names.
    images
        (n, size, size) uint8, as the network sees the slices.
    lungs, lesions
        (n, size, size) bool. Lesions are empty where a slice has none or nobody marked them.
    maps
        (n, h, w) float32, raw maps.
    sided
        (n,) bool, whether the image's left is known to be the patient's right.
    """

    slices: np.ndarray
    images: np.ndarray
    lungs: np.ndarray
    lesions: np.ndarray
    maps: np.ndarray
    sided: np.ndarray


def save_layers(path: Path, layers: Layers) -> None:
    """Write layers into a file that needs no pickle to be read."""
    arrays: dict[str, np.ndarray] = vars(layers) | {"slices": layers.slices.astype(np.str_)}
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)


def load_layers(path: Path) -> Layers:
    """Read the layers of a model."""
    with np.load(path, allow_pickle=False) as saved:
        return Layers(**{name: saved[name] for name in Layers.__dataclass_fields__})
