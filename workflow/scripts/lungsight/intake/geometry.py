"""Axes and affines. The only place where an axis is turned."""

import numpy as np


def slice_to_image(plane: np.ndarray) -> np.ndarray:
    """Turn the axial plane `volume[:, :, k]` of a canonical (RAS+) volume into an image as it is looked at.

    plane: (i, j), i towards the patient's right, j towards anterior. Returns (rows, columns) in LPS order: rows run to
    posterior, columns to the patient's left. A view, not a copy.
    """
    return plane[::-1, ::-1].T


def image_to_slice(image: np.ndarray) -> np.ndarray:
    """The inverse of `slice_to_image`: (rows, columns) → (i, j)."""
    return image.T[::-1, ::-1]
