"""Images in which one part of a slice is replaced. What a model still predicts for them shows what it used.

An intervention is a region that is replaced, and a fill. The table INTERVENTIONS lists all of them. Images are in image
order, (n, size, size). Lengths are shares of the image's side.

The lung counts with a margin around its mask, because segmentations often cut off a lesion at the pleura. Grey levels
are means over all slices and never of one slice: a patient's own mean density would tell of disease.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage

from lungsight.classes import present
from lungsight.training.grey_levels import body_level, mean_level


@dataclass(frozen=True)
class Extents:
    """Lengths of the interventions, as shares of the image's side.

    Attributes
    ----------
    margin
        Around the lung mask.
    border
        Width of the frame that `border_only` keeps.
    crop
        Side of the square that `central_crop` keeps.
    low_pass
        Standard deviation of the Gaussian of `low_pass`.
    blur
        Standard deviation of the Gaussian of the fill `blur`, wide enough to remove lesions.
    """

    margin: float
    border: float
    crop: float
    low_pass: float
    blur: float


@dataclass(frozen=True)
class InterventionBatch:
    """Slices to intervene on.

    Attributes
    ----------
    images
        (n, size, size) uint8.
    lung
        (n, size, size) bool.
    donors
        (n,) int, for each slice the row of another patient's slice.
    extents
        Lengths of the interventions.
    """

    images: np.ndarray
    lung: np.ndarray
    donors: np.ndarray
    extents: Extents

    def with_donors(self, donors: np.ndarray) -> "InterventionBatch":
        """Return the same slices with other donors."""
        changed = replace(self, donors=donors)
        changed.__dict__["wide_lung"] = self.wide_lung  # it takes seconds to compute, and depends on no donor
        return changed

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


def mean_levels(batch: InterventionBatch) -> np.ndarray:
    """Fill with the lung's mean grey inside the lung and the body's outside: only the outline of the lung is left.

    A black background, as segmented slices have it, stays black.
    """
    lung = batch.wide_lung
    return np.where(lung, mean_level(batch.images[lung]), body_level(batch.images[~lung]))


def flat_level(batch: InterventionBatch) -> np.ndarray:
    """Fill with the mean grey of all slices."""
    return np.full(batch.images.shape, mean_level(batch.images))


def _smooth(batch: InterventionBatch, share: float) -> np.ndarray:
    sigma = share * batch.size
    return ndimage.gaussian_filter(batch.images.astype(np.float32), (0, sigma, sigma), mode="nearest")


def blurred(batch: InterventionBatch) -> np.ndarray:
    """Fill with the slice itself, blurred until nothing of a lesion's size is left."""
    return _smooth(batch, batch.extents.blur)


def low_passed(batch: InterventionBatch) -> np.ndarray:
    """Fill with the slice itself, without fine texture."""
    return _smooth(batch, batch.extents.low_pass)


def other_patient(batch: InterventionBatch) -> np.ndarray:
    """Fill with the donor's pixel where both are lung or both background, else with the mean level of that part."""
    same_kind = batch.wide_lung[batch.donors] == batch.wide_lung
    return np.where(same_kind, batch.images[batch.donors], mean_levels(batch))


def lung_region(batch: InterventionBatch) -> np.ndarray:
    """Replace the lung with its margin."""
    return batch.wide_lung


def background_region(batch: InterventionBatch) -> np.ndarray:
    """Replace everything but the lung."""
    return ~batch.wide_lung


def everything(batch: InterventionBatch) -> np.ndarray:
    """Replace every pixel."""
    return np.ones(batch.images.shape, dtype=bool)


def _central_square(batch: InterventionBatch, side: float) -> np.ndarray:
    """Mark the central square of every slice. side: its length as a share of the image's."""
    centre = np.abs((np.arange(batch.size) + 0.5) / batch.size - 0.5) <= side / 2
    return np.broadcast_to(centre[:, None] & centre[None, :], batch.images.shape)


def inside_border(batch: InterventionBatch) -> np.ndarray:
    """Replace everything but a frame along the edge."""
    return _central_square(batch, 1 - 2 * batch.extents.border)


def outside_crop(batch: InterventionBatch) -> np.ndarray:
    """Replace everything but a central square."""
    return ~_central_square(batch, batch.extents.crop)


class Intervention(NamedTuple):
    """Replace `region` by `fill`. Both map a batch to (n, size, size). keeps: what is left, in words."""

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
# A part is that of a patient of another class.
SWAPS = (f"{BACKGROUND_ONLY}_other", f"{LUNG_ONLY}_other")


def intervene(batch: InterventionBatch, name: str) -> np.ndarray:
    """Apply one intervention of the table to the slices of a batch. Returns (n, size, size) uint8."""
    intervention = INTERVENTIONS[name]
    changed = np.where(intervention.region(batch), intervention.fill(batch), batch.images)
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def donors_of(table: pd.DataFrame, labels: Sequence[str], step: int = 1) -> np.ndarray:
    """Choose for each slice a slice of another patient, by table order alone.

    The k-th patient of a class takes from the k-th of the next class, in turn. Where there is one class, each patient
    takes from the next. A slice takes the donor's slice at the same height. A patient who is alone is the own donor.

    Parameters
    ----------
    table
        A row per slice: patient, label.
    labels
        The classes in their order. The first follows the last; one without a slice is left out.
    step
        How many classes on the donor's is: 1 for the next.

    Returns
    -------
    numpy.ndarray
        (n,) int, rows of the table.
    """
    rows = {patient: np.flatnonzero(table["patient"] == patient) for patient in table["patient"].unique()}
    class_of = table.drop_duplicates("patient").set_index("patient")["label"]
    names = present(labels, class_of)
    donors = np.empty(len(table), dtype=int)
    for patient, receiving in rows.items():
        same_class = list(class_of.index[class_of == class_of[patient]])
        donor_class = names[(names.index(class_of[patient]) + step) % len(names)]
        other_class = list(class_of.index[class_of == donor_class])
        if len(names) == 1:
            other_class = same_class[1:] + same_class[:1]
        giving = rows[other_class[same_class.index(patient) % len(other_class)]]
        height = np.arange(len(receiving)) / max(len(receiving) - 1, 1)
        donors[receiving] = giving[np.rint(height * (len(giving) - 1)).astype(int)]
    return donors
