"""Make slices of phantoms in memory with a known difference between the classes, to prove that the audit finds it.

The same persons are drawn in every scenario: with lesions alone, with a mark of known correlation with the label, or
with nothing but the mark, the scanner or the outline of the lung.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage

from lungsight.demo.anatomy import Phantom, thorax
from lungsight.demo.cohort import NEGATIVE, POSITIVE, disease_of, is_marked, label_of, patient_id, patient_seed
from lungsight.demo.scanner import MARK_HU, mark_pixels
from lungsight.intake.geometry import slice_to_image

WINDOW = (-1250.0, 250.0)
SLICES = 3  # of each patient
SHRINKAGE = 1 / 24  # share of the image's side that a shrunk mask loses at its rim


class PlantedScenario(NamedTuple):
    """What separates the classes.

    Attributes
    ----------
    lesions : bool
        Positives have Covid-19, negatives have nothing or a nodule. Otherwise nobody has a lesion.
    mark : float or None
        Strength of the mark's correlation with the label, as in the config's `shortcut`.
    inside : bool
        The mark lies in the lung.
    scanners : (str, str)
        Those of positives and of negatives.
    segmented : bool
        Everything but the lung is black.
    shrunk : bool
        The lung masks of positives are too small, as if a segmentation missed consolidated lung.
    classes : tuple of str
        In the order in which patients have them.
    marked : str
        Class whose patients alone have the mark, all of them; they have no lesion. "" for none.
    """

    lesions: bool = True
    mark: float | None = None
    inside: bool = False
    scanners: tuple[str, str] = ("alpha", "alpha")
    segmented: bool = False
    shrunk: bool = False
    classes: tuple[str, ...] = (POSITIVE, NEGATIVE)
    marked: str = ""


THREE = (POSITIVE, "CAP", "Normal")
# Lobes full of pneumonia, ground glass below the pleura, or nothing. A marked class looks like the normal one, but for
# the mark.
PLANTED_CLASSES = {
    "three lesions": PlantedScenario(classes=THREE),
    **{f"{label} by the mark": PlantedScenario(classes=THREE, marked=label) for label in THREE[:2]},
}
PLANTED_SCENARIOS = {
    "lesions": PlantedScenario(),
    **{f"mark {strength}": PlantedScenario(mark=strength) for strength in (0.0, 0.5, 0.9, 1.0)},
    "mark alone": PlantedScenario(lesions=False, mark=1.0),
    "mark in the lung": PlantedScenario(lesions=False, mark=1.0, inside=True),
    "scanner": PlantedScenario(lesions=False, scanners=("alpha", "beta")),
    "segmented lesions": PlantedScenario(segmented=True),
    "segmented outline": PlantedScenario(lesions=False, segmented=True, shrunk=True),
}


@dataclass(frozen=True)
class Planted:
    """Planted slices.

    Attributes
    ----------
    table : DataFrame
        slice, patient, label, split.
    images : (n, size, size) uint8
        In table order.
    lung, lesion : (n, size, size) bool
    """

    table: pd.DataFrame
    images: np.ndarray
    lung: np.ndarray
    lesion: np.ndarray


@lru_cache(maxsize=512)
def _person(seed: int, disease: str, scanner: str, size: int) -> Phantom:
    return thorax(seed, matrix=size, slices=SLICES, scanner=scanner, disease=disease, lungs_only=True)


def _inner_mark(lung: np.ndarray) -> np.ndarray:
    """Mark a square, an eighth of a lung wide, around the point deepest in the lung; bool, on one plane."""
    depth = ndimage.distance_transform_edt(lung)
    row, column = np.unravel_index(depth.argmax(), lung.shape)
    half = max(1, round(lung.shape[0] / 48))
    mark = np.zeros_like(lung)
    mark[row - half : row + half + 1, column - half : column + half + 1] = True
    return mark


def _images_of(number: int, scenario: PlantedScenario, cohort: dict, size: int) -> tuple[np.ndarray, ...]:
    """Draw image, lung and lesion of one patient, each (SLICES, size, size)."""
    label = label_of(number, scenario.classes)
    scanner = scenario.scanners[label != POSITIVE]
    disease = disease_of(number, cohort) if scenario.lesions and label != scenario.marked else "none"
    person = _person(patient_seed(number, cohort), disease, scanner, size)
    hu = person.hu.copy()
    if is_marked(number, cohort) or label == scenario.marked:
        for k in range(SLICES):
            hu[..., k][_inner_mark(person.lung[..., k]) if scenario.inside else mark_pixels(size)] = MARK_HU
    low, high = WINDOW
    grey = np.rint(255 * np.clip((hu - low) / (high - low), 0, 1)).astype(np.uint8)
    image, lung, lesion = (
        np.stack([slice_to_image(volume[..., k]) for k in range(SLICES)])
        for volume in (grey, person.lung, person.lesion)
    )
    if scenario.shrunk and label == POSITIVE:
        lung = np.stack([ndimage.distance_transform_edt(mask) > SHRINKAGE * size for mask in lung])
    return image * lung if scenario.segmented else image, lung, lesion


def plant(scenario: PlantedScenario, seed: int, train: int, val: int, test: int, size: int = 64) -> Planted:
    """Draw the slices of a scenario.

    Parameters
    ----------
    scenario : PlantedScenario
    seed : int
        Decides the persons and who is marked.
    train, val, test : int
        Patients in each subset; each class has about as many of them.
    size : int
        Rows and columns.
    """
    shortcut = {"enabled": scenario.mark is not None, "strength": scenario.mark or 0.0}
    cohort = {"role": "target", "phantom": {"seed": seed, "shortcut": shortcut, "classes": list(scenario.classes)}}
    subsets = ["train"] * train + ["val"] * val + ["test"] * test
    images = [_images_of(number, scenario, cohort, size) for number in range(len(subsets))]
    rows = [
        {
            "slice": f"{patient_id(number)}-{k}",
            "patient": patient_id(number),
            "label": label_of(number, scenario.classes),
            "split": subset,
        }
        for number, subset in enumerate(subsets)
        for k in range(SLICES)
    ]
    return Planted(pd.DataFrame(rows), *(np.concatenate(of_patients) for of_patients in zip(*images, strict=True)))
