"""Quality control against planted failures: of each kind the share that is rejected, and of good masks the share kept.

python benchmarks/qc_failures.py [--patients 12] [--matrix 128] [--seed 501]

Phantoms of every disease and both scanners; the limits are the schema's defaults. A planted mask counts as a failure
of a slice where it differs enough from the true one (`differs`): a lost lobe is none in a slice that it does not reach.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from lungsight.config import config_schema  # noqa: E402
from lungsight.demo.anatomy import thorax  # noqa: E402
from lungsight.qc.rules import decide  # noqa: E402
from lungsight.qc.scores import largest_component, volume_scores  # noqa: E402
from lungsight.qc.volumes import as_images  # noqa: E402
from lungsight.segmentation.agreement import dice  # noqa: E402
from lungsight.segmentation.classical import body_mask, tissue_of  # noqa: E402

LIMITS = config_schema()["properties"]["qc"]["properties"]["rules"]["properties"]
RULES = {name: limit["default"] for name, limit in LIMITS.items()}
DISEASES = ("none", "covid", "nodule")
AIR = 0.3  # windowed intensity, −800 HU: lung tissue is mostly below, gas with its blurred rim always


class Patient(NamedTuple):
    """images: (slices, rows, columns) float32 in [0, 1], feet first. lungs, gas: bool of the same shape, as drawn."""

    images: np.ndarray
    lungs: np.ndarray
    gas: np.ndarray


def patient_of(seed: int, disease: str, matrix: int = 96, slices: int = 12) -> Patient:
    """A phantom; its gas is all dark air inside the body that is no lung: trachea, main bronchi, stomach."""
    made = thorax(seed=seed, matrix=matrix, slices=slices, scanner="alpha" if seed % 2 else "beta", disease=disease)
    volume = np.clip((made.hu + 1250) / 1500, 0, 1).astype(np.float32)
    gas = ndimage.binary_opening(body_mask(tissue_of(volume)) & (volume < AIR) & ~made.lung, np.ones((2, 2, 1)))
    return Patient(*(as_images(part) for part in (volume, made.lung, gas)))


# Failures of a segmentation, planted in good masks, (slices, rows, columns) bool.


def empty(patient: Patient) -> np.ndarray:
    return np.zeros_like(patient.lungs)


def inverted(patient: Patient) -> np.ndarray:
    return ~patient.lungs


def lost_lung(patient: Patient) -> np.ndarray:
    """Only the lung on the image's left is kept."""
    kept = patient.lungs.copy()
    kept[:, :, kept.shape[2] // 2 :] = False
    return kept


def lost_lobe(patient: Patient) -> np.ndarray:
    """The lung on the image's right loses what lies behind an oblique fissure: a lower lobe."""
    lungs = patient.lungs.copy()
    right = lungs[:, :, lungs.shape[2] // 2 :]
    slices, rows, _ = np.nonzero(right)
    fissure = np.median(rows) + 0.6 * np.ptp(rows) * ((np.arange(len(right)) - slices.min()) / np.ptp(slices) - 0.5)
    behind = np.arange(right.shape[1])[None, :, None] > fissure[:, None, None]
    right &= ~behind
    return lungs


def leak_outside(patient: Patient) -> np.ndarray:
    """The air around the body is kept with the lung."""
    dark = (patient.images < 0.5) & ~patient.lungs
    return patient.lungs | np.stack([largest_component(plane) for plane in dark])


def leak_wall(patient: Patient) -> np.ndarray:
    """The mask runs over into the chest wall and the mediastinum, until it is 2.5 times as large."""
    grown = []
    for mask in patient.lungs:
        distance = ndimage.distance_transform_edt(~mask)
        grown.append(distance <= np.sort(distance, axis=None)[min(int(2.5 * mask.sum()), mask.size - 1)])
    return np.stack(grown)


def leak_gas(patient: Patient) -> np.ndarray:
    """Trachea, main bronchi and the stomach's gas are kept with the lung."""
    return patient.lungs | patient.gas


def wrong_slice(patient: Patient) -> np.ndarray:
    """The masks lie on the images from the other end: feet for head."""
    return patient.lungs[::-1].copy()


def lost_slice(patient: Patient) -> np.ndarray:
    """Every other slice lost its mask but for a speck."""
    kept = patient.lungs.copy()
    for mask in kept[::2]:
        rows, columns = np.nonzero(mask)
        mask[:] = False
        mask[rows[:20], columns[:20]] = True
    return kept


class Failure(NamedTuple):
    """plant: makes the bad masks. differs: Dice with the true mask below which a slice counts as failed."""

    plant: Callable[[Patient], np.ndarray]
    differs: float = 0.7

    @property
    def name(self) -> str:
        return self.plant.__name__


FAILURES = (
    *(Failure(plant) for plant in (empty, inverted, lost_lung, leak_outside, leak_wall, wrong_slice, lost_slice)),
    Failure(lost_lobe, differs=0.9),
    Failure(leak_gas, differs=0.98),
)


def decisions(patient: Patient, masks: np.ndarray) -> pd.DataFrame:
    """What the default rules decide on the slices of a patient with these masks."""
    scores = pd.DataFrame(volume_scores(patient.images, masks, RULES["soft_level"], RULES["air_level"]))
    return decide(scores, RULES)


def quality(patient: Patient) -> pd.DataFrame:
    """`segmented_keep` of every slice that shows lung, for the true masks and for every planted failure.

    Columns `failure` ("" for the true masks) and `kept`.
    """
    shows_lung = patient.lungs.mean(axis=(1, 2)) >= RULES["min_lung_fraction"]
    found = [pd.DataFrame({"failure": "", "kept": decisions(patient, patient.lungs)["segmented_keep"][shows_lung]})]
    for failure in FAILURES:
        planted = failure.plant(patient)
        agreement = np.array([dice(*pair) for pair in zip(planted, patient.lungs, strict=True)])
        failed = shows_lung & (agreement < failure.differs)
        kept = decisions(patient, planted)["segmented_keep"][failed]
        found.append(pd.DataFrame({"failure": failure.name, "kept": kept}))
    return pd.concat(found, ignore_index=True)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Per failure the slices and the share that is rejected (sensitivity); for true masks the share kept."""
    grouped = found.groupby("failure")["kept"]
    table = pd.DataFrame({"slices": grouped.size(), "sensitivity": 1 - grouped.mean()}).drop(index="")
    good = found.loc[found["failure"] == "", "kept"]
    table.loc["(true masks: specificity)"] = [len(good), good.mean()]
    return table.astype({"slices": int})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=12, help="of each disease")
    parser.add_argument("--matrix", type=int, default=128)
    parser.add_argument("--seed", type=int, default=501, help="of the first patient; limits were chosen on other ones")
    args = parser.parse_args()
    people = [(args.seed + number, disease) for number in range(args.patients) for disease in DISEASES]
    found = pd.concat(
        [quality(patient_of(*person, matrix=args.matrix)).assign(person=str(person)) for person in people]
    )
    print(summary(found).round(3).to_string())
    lost = found[(found["failure"] == "") & (found["kept"] == 0)]["person"].value_counts()
    print(f"true masks rejected, by seed and disease: {lost.to_dict()}")


if __name__ == "__main__":
    main()
