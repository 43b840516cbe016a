"""Raw maps of slices in a file."""

from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.files import atomic_path


def save_maps(path: Path, slices: pd.Series, maps: np.ndarray) -> None:
    """Write the maps of n slices. The file opens with allow_pickle=False.

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


def load_maps(path: Path, slices: pd.Series) -> np.ndarray:
    """Read the maps of some slices, (n, h, w), in the order of their names."""
    with np.load(path, allow_pickle=False) as saved:
        return saved["maps"][pd.Index(saved["slices"]).get_indexer(pd.Index(slices))]
