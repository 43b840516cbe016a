"""Slices of phantoms in memory, with a known truth about what tells the classes apart.

Made for proving the audit: the same persons, once with lesions alone, once with a mark whose correlation with the label
is known, once with nothing but the mark, the scanner or the outline of the lung.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage

from lungsight.demo.anatomy import Phantom, thorax
from lungsight.demo.cohort import POSITIVE, disease_of, is_marked, label_of, patient_id, patient_seed
from lungsight.demo.scanner import MARK_HU, mark_pixels
from lungsight.intake.geometry import slice_to_image

WINDOW = (-1250.0, 250.0)
SLICES = 3  # of each patient
SHRINKAGE = 1 / 24  # of the image's side, by which a shrunk mask loses its rim


class PlantedScenario(NamedTuple):
    """What tells the classes apart.

    lesions: positives have Covid-19, negatives none or a nodule; else nobody has anything. mark: strength of its
    correlation with the label as in the config's `shortcut`, or None; inside: it lies in the lung. scanners: those of
    positives and of negatives. segmented: all but the lung is black. shrunk: the masks of positives are too small, as
    where a segmentation misses consolidated lung.
    """

    lesions: bool = True
    mark: float | None = None
    inside: bool = False
    scanners: tuple[str, str] = ("alpha", "alpha")
    segmented: bool = False
    shrunk: bool = False


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
    """Slices in table order. table: slice patient label split. images (n, size, size) uint8; lung, lesion bool."""

    table: pd.DataFrame
    images: np.ndarray
    lung: np.ndarray
    lesion: np.ndarray


@lru_cache(maxsize=512)
def _person(seed: int, disease: str, scanner: str, size: int) -> Phantom:
    return thorax(seed, matrix=size, slices=SLICES, scanner=scanner, disease=disease, lungs_only=True)


def _inner_mark(lung: np.ndarray) -> np.ndarray:
    """A square of an eighth of a lung's width around the point deepest in the lung, on one plane, bool."""
    depth = ndimage.distance_transform_edt(lung)
    row, column = np.unravel_index(depth.argmax(), lung.shape)
    half = max(1, round(lung.shape[0] / 48))
    mark = np.zeros_like(lung)
    mark[row - half : row + half + 1, column - half : column + half + 1] = True
    return mark


def _images_of(number: int, scenario: PlantedScenario, cohort: dict, size: int) -> tuple[np.ndarray, ...]:
    """Image, lung and lesion (SLICES, size, size) of one patient."""
    scanner = scenario.scanners[label_of(number) != POSITIVE]
    disease = disease_of(number, cohort) if scenario.lesions else "none"
    person = _person(patient_seed(number, cohort), disease, scanner, size)
    hu = person.hu.copy()
    if is_marked(number, cohort):
        for k in range(SLICES):
            hu[..., k][_inner_mark(person.lung[..., k]) if scenario.inside else mark_pixels(size)] = MARK_HU
    low, high = WINDOW
    grey = np.rint(255 * np.clip((hu - low) / (high - low), 0, 1)).astype(np.uint8)
    image, lung, lesion = (
        np.stack([slice_to_image(volume[..., k]) for k in range(SLICES)])
        for volume in (grey, person.lung, person.lesion)
    )
    if scenario.shrunk and label_of(number) == POSITIVE:
        lung = np.stack([ndimage.distance_transform_edt(mask) > SHRINKAGE * size for mask in lung])
    return image * lung if scenario.segmented else image, lung, lesion


def plant(scenario: PlantedScenario, seed: int, train: int, val: int, test: int, size: int = 64) -> Planted:
    """Slices of so many patients on each side, half of them positive. seed decides the persons and who is marked."""
    shortcut = {"enabled": scenario.mark is not None, "strength": scenario.mark or 0.0}
    cohort = {"role": "target", "phantom": {"seed": seed, "shortcut": shortcut}}
    sides = ["train"] * train + ["val"] * val + ["test"] * test
    parts = [_images_of(number, scenario, cohort, size) for number in range(len(sides))]
    rows = [
        {"slice": f"{patient_id(number)}-{k}", "patient": patient_id(number), "label": label_of(number), "split": side}
        for number, side in enumerate(sides)
        for k in range(SLICES)
    ]
    return Planted(pd.DataFrame(rows), *(np.concatenate(part) for part in zip(*parts, strict=True)))
