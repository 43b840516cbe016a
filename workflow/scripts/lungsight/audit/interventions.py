"""Pictures in which one part of a slice is replaced: what a model still answers on them says what it used.

An intervention is a region that is replaced and what fills it; the table INTERVENTIONS is the whole battery. Everything
is in image order, (n, size, size). The lung counts with a margin around its mask, since a lesion at the pleura is often
cut off by a segmentation. Lengths are shares of the image's side.

Levels are means over all slices at hand and never of one slice: a patient's own mean density would tell of disease.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage


@dataclass(frozen=True)
class Extents:
    """Shares of the image's side: margin around the lung, width of the frame, side of the central square, Gaussians.

    low_pass: standard deviation of the low-pass intervention. blur: of the fill, wide enough to remove lesions.
    """

    margin: float
    border: float
    crop: float
    low_pass: float
    blur: float


@dataclass(frozen=True)
class InterventionBatch:
    """Slices to intervene on: images uint8, lung bool, (n, size, size); donors (n,) int: rows of other patients."""

    images: np.ndarray
    lung: np.ndarray
    donors: np.ndarray
    extents: Extents

    @property
    def size(self) -> int:
        """Rows and columns of an image."""
        return self.images.shape[1]

    @cached_property
    def wide_lung(self) -> np.ndarray:
        """The lung with its margin, (n, size, size) bool."""
        reach = round(self.extents.margin * self.size)
        if reach == 0:
            return self.lung
        return np.stack([ndimage.distance_transform_edt(~mask) <= reach if mask.any() else mask for mask in self.lung])


def _level(pixels: np.ndarray) -> float:
    return float(pixels.mean()) if pixels.size else 0.0


def _body_level(background: np.ndarray) -> float:
    """The grey of the body around the lung: the mean of those background pixels that are brighter than the mean.

    The mean of air and body together would be about the lung's own, and the lung would vanish in it.
    """
    brighter = background[background > _level(background)]
    return _level(brighter if brighter.size else background)


def mean_levels(scene: InterventionBatch) -> np.ndarray:
    """The lung's mean grey inside it, the body's outside: nothing but the outline of the lung is left.

    Where the background is black, as in segmented slices, it stays so.
    """
    lung = scene.wide_lung
    return np.where(lung, _level(scene.images[lung]), _body_level(scene.images[~lung]))


def flat_level(scene: InterventionBatch) -> np.ndarray:
    """The mean grey of all slices everywhere."""
    return np.full(scene.images.shape, _level(scene.images))


def _smooth(scene: InterventionBatch, share: float) -> np.ndarray:
    sigma = share * scene.size
    return ndimage.gaussian_filter(scene.images.astype(np.float32), (0, sigma, sigma), mode="nearest")


def blurred(scene: InterventionBatch) -> np.ndarray:
    """The slice itself, without anything of a lesion's size."""
    return _smooth(scene, scene.extents.blur)


def low_passed(scene: InterventionBatch) -> np.ndarray:
    """The slice itself, without fine texture."""
    return _smooth(scene, scene.extents.low_pass)


def other_patient(scene: InterventionBatch) -> np.ndarray:
    """The donor's pixel where it is of the same kind, lung or background; else the mean level of that kind."""
    same_kind = scene.wide_lung[scene.donors] == scene.wide_lung
    return np.where(same_kind, scene.images[scene.donors], mean_levels(scene))


def lung_region(scene: InterventionBatch) -> np.ndarray:
    """The lung with its margin."""
    return scene.wide_lung


def background_region(scene: InterventionBatch) -> np.ndarray:
    """All that is not the lung."""
    return ~scene.wide_lung


def everything(scene: InterventionBatch) -> np.ndarray:
    """Every pixel."""
    return np.ones(scene.images.shape, dtype=bool)


def _central_square(scene: InterventionBatch, side: float) -> np.ndarray:
    """The square of that share of the side, in the middle of every slice."""
    centre = np.abs((np.arange(scene.size) + 0.5) / scene.size - 0.5) <= side / 2
    return np.broadcast_to(centre[:, None] & centre[None, :], scene.images.shape)


def inside_border(scene: InterventionBatch) -> np.ndarray:
    """All but a frame along the edge."""
    return _central_square(scene, 1 - 2 * scene.extents.border)


def outside_crop(scene: InterventionBatch) -> np.ndarray:
    """All but a central square."""
    return ~_central_square(scene, scene.extents.crop)


class Intervention(NamedTuple):
    """Replace `region` by `fill`; both map a scene to (n, size, size). keeps: what is left, for people."""

    region: Callable[[InterventionBatch], np.ndarray]
    fill: Callable[[InterventionBatch], np.ndarray]
    keeps: str


FILLS = {"mean": mean_levels, "blur": blurred, "other": other_patient}
FILL_WORDS = {"mean": "a flat grey", "blur": "its own blur", "other": "another patient's, of the other class"}
BACKGROUND_ONLY, LUNG_ONLY = "background_only", "lung_only"
INTERVENTIONS: dict[str, Intervention] = {
    **{
        f"{BACKGROUND_ONLY}_{name}": Intervention(lung_region, fill, f"all but the lung, which is {FILL_WORDS[name]}")
        for name, fill in FILLS.items()
    },
    **{
        f"{LUNG_ONLY}_{name}": Intervention(background_region, fill, f"the lung; the rest is {FILL_WORDS[name]}")
        for name, fill in FILLS.items()
    },
    "silhouette": Intervention(everything, mean_levels, "the outline of the lung"),
    "border_only": Intervention(inside_border, flat_level, "a frame along the edge"),
    "central_crop": Intervention(outside_crop, flat_level, "the middle of the slice"),
    "low_pass": Intervention(everything, low_passed, "coarse structure"),
}


def intervene(scene: InterventionBatch, name: str) -> np.ndarray:
    """The slices of a scene under one intervention of the table, (n, size, size) uint8."""
    intervention = INTERVENTIONS[name]
    changed = np.where(intervention.region(scene), intervention.fill(scene), scene.images)
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def donors_of(table: pd.DataFrame) -> np.ndarray:
    """For each slice the row of another patient's slice, (n,) int, by table order alone.

    table: patient, label. The donor has the other class (else the k-th patient gets the next one): the k-th patient of
    a class takes the k-th of the other class, in turn, and a slice takes the one at the same height among the donor's.
    Where there is one patient, a slice is its own donor.
    """
    rows = {patient: np.flatnonzero(table["patient"] == patient) for patient in table["patient"].unique()}
    labels = table.drop_duplicates("patient").set_index("patient")["label"]
    donors = np.empty(len(table), dtype=int)
    for patient, own in rows.items():
        peers = list(labels.index[labels == labels[patient]])
        others = list(labels.index[labels != labels[patient]]) or peers[1:] + peers[:1]
        given = rows[others[peers.index(patient) % len(others)]]
        height = np.arange(len(own)) / max(len(own) - 1, 1)
        donors[own] = given[np.rint(height * (len(given) - 1)).astype(int)]
    return donors
