"""Average the maps of a class, registered by the bounding box of the lung."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import map_coordinates

from lungsight.classes import present
from lungsight.explain.resample import upsample_bilinear
from lungsight.files import atomic_path
from lungsight.training.regions import Box, bounding_box

# The frame has GRID × GRID pixels. It shows the box, and these shares of its height and width beyond each edge. A lung
# is wider than high, so the frame is about square.
BEYOND, GRID = (0.75, 0.3), 128
INCLUDED_RULE = "measured slices whose lung covers at least half as much of the image as that of the median one"


class MeanMap(NamedTuple):
    """The mean map of one class; its rows and columns span [−BEYOND, 1 + BEYOND] of the lung's box.

    Attributes
    ----------
    label
        The class.
    slices, patients
        How many are averaged.
    heat
        (GRID, GRID), multiples of each map's own mean; NaN where fewer than half of the slices reach.
    lung
        (GRID, GRID), share of the slices with lung there; NaN as in `heat`.
    aspect
        Height over width of the median box.
    """

    label: str
    slices: int
    patients: int
    heat: np.ndarray
    lung: np.ndarray
    aspect: float


def in_lung_box(image: np.ndarray, box: Box) -> np.ndarray:
    """Sample an image (H, W) bilinearly in the frame around a box: (GRID, GRID) float64, NaN outside the image."""
    axes = []
    for (start, stop), beyond in zip(((box.top, box.bottom), (box.left, box.right)), BEYOND, strict=True):
        share = (np.arange(GRID) + 0.5) / GRID * (1 + 2 * beyond) - beyond
        axes.append(start + share * (stop - start) - 0.5)
    where = np.meshgrid(*axes, indexing="ij")
    return map_coordinates(image.astype(np.float64), where, order=1, mode="constant", cval=np.nan)


def included(table: pd.DataFrame) -> np.ndarray:
    """Return which rows of saliency.tsv INCLUDED_RULE takes, (n,) bool; a sliver of lung has no box to register by."""
    measured = (table["reason"] == "").to_numpy()
    fraction = table["lung_fraction"].to_numpy()
    return measured & (fraction >= np.median(fraction[measured]) / 2) if measured.any() else measured


def mean_map(label: str, table: pd.DataFrame, raw_maps: np.ndarray, masks: np.ndarray) -> MeanMap:
    """Average the maps of n ≥ 1 slices; each slice has the same weight.

    Parameters
    ----------
    label
        The class.
    table
        The slices' rows of saliency.tsv.
    raw_maps
        (n, h, w), none of them zero everywhere.
    masks
        (n, H, W) bool, the lung, none of them empty.
    """
    maps = upsample_bilinear(raw_maps, masks.shape[1:])
    maps = maps / maps.mean(axis=(1, 2), keepdims=True)
    boxes = [bounding_box(mask) for mask in masks]
    heat, lung = (
        np.stack([in_lung_box(image, box) for image, box in zip(images, boxes, strict=True)])
        for images in (maps, masks)
    )
    seen = np.isfinite(heat)
    enough = seen.mean(axis=0) >= 0.5
    reach = np.maximum(seen.sum(axis=0), 1)
    mean_heat, mean_lung = (
        np.where(enough, np.where(seen, stack, 0).sum(axis=0) / reach, np.nan) for stack in (heat, lung)
    )
    aspect = np.median([(box.bottom - box.top) / (box.right - box.left) for box in boxes])
    return MeanMap(label, len(table), table["patient"].nunique(), mean_heat, mean_lung, float(aspect))


class Peak(NamedTuple):
    """The maximum of a mean map, and where it lies: "in the lung", "in the box of the lung" or "outside that box"."""

    highest: float
    where: str


def peak_of(mean: MeanMap) -> Peak:
    """Find the maximum of a mean map; a pixel is lung where at least half of the slices have lung there."""
    place = np.unravel_index(np.nanargmax(mean.heat), mean.heat.shape)
    boxed = all(
        0 <= (index + 0.5) / GRID * (1 + 2 * beyond) - beyond <= 1 for index, beyond in zip(place, BEYOND, strict=True)
    )
    where = "in the lung" if mean.lung[place] >= 0.5 else "in the box of the lung" if boxed else "outside that box"
    return Peak(float(mean.heat[place]), where)


def mean_maps(table: pd.DataFrame, raw_maps: np.ndarray, masks: np.ndarray, labels: Sequence[str]) -> list[MeanMap]:
    """Average the maps of each class of saliency.tsv that has an included slice, in the order of `labels`."""
    use, of_rows = included(table), table["label"].to_numpy()
    rows_of = {label: np.flatnonzero(use & (of_rows == label)) for label in present(labels, of_rows[use])}
    return [mean_map(label, table.iloc[rows], raw_maps[rows], masks[rows]) for label, rows in rows_of.items()]


def describe_mean_maps(means: Sequence[MeanMap]) -> list[dict[str, Any]]:
    """List for each mean map what it is of, and its peak."""
    return [
        {"label": one.label, "slices": one.slices, "patients": one.patients, **peak_of(one)._asdict()} for one in means
    ]


def save_mean_maps(path: Path, means: Sequence[MeanMap]) -> None:
    """Write n mean maps: an array of every field of MeanMap. The file opens with allow_pickle=False."""
    columns = zip(*means, strict=True) if means else ((),) * len(MeanMap._fields)
    arrays = {name: np.array(values) for name, values in zip(MeanMap._fields, columns, strict=True)}
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)


def load_mean_maps(path: Path) -> list[MeanMap]:
    """Read what `save_mean_maps` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        columns = [arrays[name] for name in MeanMap._fields]
    return [
        MeanMap(str(label), int(slices), int(patients), heat, lung, float(aspect))
        for label, slices, patients, heat, lung, aspect in zip(*columns, strict=True)
    ]
