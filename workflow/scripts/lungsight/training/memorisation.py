"""Compare generated slices with training slices: copies, variety, and a sheet to look at.

References
----------
Radford, A., Metz, L. and Chintala, S. (2016). Unsupervised representation learning with deep convolutional generative
adversarial networks. ICLR. (Its section on memorisation.)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

COLUMNS, ZOOM, LINE = 8, 2, 14  # slices of a row of the sheet, pixels of one of their pixels, height of a line of text
AT_ONCE = 64  # slices whose distances are computed together
GREY = 160


def nearest(slices: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest slice of a set for each slice.

    Parameters
    ----------
    slices, among
        (n, h, w) and (m, h, w) uint8.

    Returns
    -------
    distances, places
        (n,) root mean square difference in greys, and the place in `among`.
    """
    others = among.reshape(len(among), -1).astype(np.float64)
    squares, distances, places = (others**2).sum(axis=1), np.empty(len(slices)), np.empty(len(slices), int)
    for start in range(0, len(slices), AT_ONCE):
        part = slices[start : start + AT_ONCE].reshape(-1, others.shape[1]).astype(np.float64)
        differences = (part**2).sum(axis=1)[:, None] - 2 * part @ others.T + squares
        found = differences.argmin(axis=1)
        places[start : start + AT_ONCE] = found
        smallest = np.maximum(differences[np.arange(len(part)), found], 0.0)
        distances[start : start + AT_ONCE] = np.sqrt(smallest / others.shape[1])
    return distances, places


def share_nearer(ones: np.ndarray, others: np.ndarray) -> float:
    """Return the share of pairs in which the one distance is smaller than the other; ties count half.

    It is the AUC of the two sets of distances (n,) and (m,): ½ where both are alike.
    """
    ranks = np.sort(others)
    below, up_to = (np.searchsorted(ranks, ones, side=side) for side in ("left", "right"))
    return float(np.mean(len(others) - 0.5 * (below + up_to)) / len(others))


def spread(slices: np.ndarray) -> float:
    """Return how far slices (n, h, w) differ: the standard deviation by pixel over slices, its mean over pixels."""
    return float(slices.astype(np.float64).std(axis=0).mean())


def memorisation_row(label: str, generated: np.ndarray, training: np.ndarray, validation: np.ndarray) -> dict[str, Any]:
    """Compare generated slices with the training slices of a class, (n, h, w) uint8 each.

    Returns
    -------
    A row as the table `memorisation` has it. What needs validation slices is NaN where there are none.
    """
    of_generated, _ = nearest(generated, training)
    measured = len(validation) > 0
    of_validation = nearest(validation, training)[0] if measured else np.array([np.nan])
    return {
        **{"label": label, "generated": len(generated), "training": len(training), "validation": len(validation)},
        "distance_generated": float(np.median(of_generated)),
        "distance_validation": float(np.median(of_validation)),
        "nearer": share_nearer(of_generated, of_validation) if measured else np.nan,
        "copies": int((of_generated < of_validation.min()).sum()) if measured else np.nan,
        "spread_generated": spread(generated),
        "spread_training": spread(training),
    }


def sheet(classes: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> Image.Image:
    """Draw samples of each class, and below each the training slice that is nearest to it.

    classes: name, generated slices and training slices, (n, h, w) uint8.
    """
    bands = []
    for label, generated, training in classes:
        chosen = generated[:COLUMNS]
        _, places = nearest(chosen, training)
        for title, slices in (
            (f"{label or 'all classes'}: generated", chosen),
            ("nearest training slice", training[places]),
        ):
            bands.append((title, np.concatenate(list(slices), axis=1)))
    height = sum(LINE + ZOOM * band.shape[0] for _, band in bands)
    picture = Image.new("L", (ZOOM * max(band.shape[1] for _, band in bands), height))
    top, pen = 0, ImageDraw.Draw(picture)
    for title, band in bands:
        pen.text((2, top + 1), title, fill=GREY)
        image = Image.fromarray(band)
        picture.paste(
            image.resize((ZOOM * image.width, ZOOM * image.height), Image.Resampling.NEAREST), (0, top + LINE)
        )
        top += LINE + ZOOM * image.height
    return picture
