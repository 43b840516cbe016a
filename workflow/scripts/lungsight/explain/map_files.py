"""Write and read the raw maps of slices."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.files import atomic_path


def save_maps(path: Path, slices: pd.Series, maps: np.ndarray) -> None:
    """Write the maps of n slices into a file that needs no pickle to be read.

    Parameters
    ----------
    path
        An .npz file with `slices` (fixed-width unicode) and `maps`.
    slices
        Names of the n slices.
    maps
        (n, h, w) float32.
    """
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, slices=np.array(slices, dtype=np.str_), maps=maps)


def save_class_maps(path: Path, slices: pd.Series, maps: Mapping[str, np.ndarray]) -> None:
    """Write the maps that explain each class.

    Parameters
    ----------
    path
        An .npz file with `slices`, `classes` (fixed-width unicode) and `maps` (classes, n, h, w).
    slices
        Names of the n slices.
    maps
        By class, (n, h, w) float32.
    """
    arrays = {"slices": np.array(slices, dtype=np.str_), "classes": np.array(list(maps), dtype=np.str_)}
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays, maps=np.stack(list(maps.values())))


def load_maps(path: Path, slices: pd.Series) -> np.ndarray:
    """Read the maps of some slices, (n, h, w), in the order of their names."""
    with np.load(path, allow_pickle=False) as saved:
        return saved["maps"][pd.Index(saved["slices"]).get_indexer(pd.Index(slices))]
