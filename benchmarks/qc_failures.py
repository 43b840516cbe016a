"""Test quality control on planted failures: the share rejected of each kind, and the share kept of good masks.

python benchmarks/qc_failures.py [--patients 12] [--matrix 128] [--seed 501]

The phantoms have every disease and both scanners. The limits are the schema's defaults. A planted mask counts as a
failure only in slices where it differs enough from the true mask (`differs`): a lost lobe is no failure in a slice that
the lobe does not reach.
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

from lungsight.components import largest_component  # noqa: E402
from lungsight.config import config_schema  # noqa: E402
from lungsight.demo.anatomy import thorax  # noqa: E402
from lungsight.qc.rules import decide  # noqa: E402
from lungsight.qc.scores import volume_scores  # noqa: E402
from lungsight.qc.volumes import as_images  # noqa: E402
from lungsight.segmentation.agreement import dice  # noqa: E402
from lungsight.segmentation.classical import body_mask, tissue_of  # noqa: E402

LIMITS = config_schema()["properties"]["qc"]["properties"]["rules"]["properties"]
RULES = {name: limit["default"] for name, limit in LIMITS.items()}
DISEASES = ("none", "covid", "nodule")
AIR = 0.3  # windowed intensity of −800 HU: most lung tissue is below it, and all gas with its blurred rim


class Patient(NamedTuple):
    """Hold one phantom: images (slices, rows, columns) float32 in [0, 1], feet first; lungs and gas bool alike."""

    images: np.ndarray
    lungs: np.ndarray
    gas: np.ndarray


def patient_of(seed: int, disease: str, matrix: int = 96, slices: int = 12) -> Patient:
    """Make a phantom; its gas is all dark air in the body outside the lung: trachea, main bronchi, stomach."""
    made = thorax(seed=seed, matrix=matrix, slices=slices, scanner="alpha" if seed % 2 else "beta", disease=disease)
    volume = np.clip((made.hu + 1250) / 1500, 0, 1).astype(np.float32)
    gas = ndimage.binary_opening(body_mask(tissue_of(volume)) & (volume < AIR) & ~made.lung, np.ones((2, 2, 1)))
    return Patient(*(as_images(part) for part in (volume, made.lung, gas)))


# Failures of a segmentation, planted in good masks: (slices, rows, columns) bool.


def empty(patient: Patient) -> np.ndarray:
    return np.zeros_like(patient.lungs)


def inverted(patient: Patient) -> np.ndarray:
    return ~patient.lungs


def lost_lung(patient: Patient) -> np.ndarray:
    """Keep only the lung on the image's left."""
    kept = patient.lungs.copy()
    kept[:, :, kept.shape[2] // 2 :] = False
    return kept


def lost_lobe(patient: Patient) -> np.ndarray:
    """Remove the lower lobe of the lung on the image's right: all that lies behind an oblique fissure."""
    lungs = patient.lungs.copy()
    right = lungs[:, :, lungs.shape[2] // 2 :]
    slices, rows, _ = np.nonzero(right)
    fissure = np.median(rows) + 0.6 * np.ptp(rows) * ((np.arange(len(right)) - slices.min()) / np.ptp(slices) - 0.5)
    behind = np.arange(right.shape[1])[None, :, None] > fissure[:, None, None]
    right &= ~behind
    return lungs


def leak_outside(patient: Patient) -> np.ndarray:
    """Keep the air around the body with the lung."""
    dark = (patient.images < 0.5) & ~patient.lungs
    return patient.lungs | np.stack([largest_component(plane) for plane in dark])


def leak_wall(patient: Patient) -> np.ndarray:
    """Grow the mask into the chest wall and the mediastinum until it is 2.5 times as large."""
    grown = []
    for mask in patient.lungs:
        distance = ndimage.distance_transform_edt(~mask)
        grown.append(distance <= np.sort(distance, axis=None)[min(int(2.5 * mask.sum()), mask.size - 1)])
    return np.stack(grown)


def leak_gas(patient: Patient) -> np.ndarray:
    """Keep trachea, main bronchi and the stomach's gas with the lung."""
    return patient.lungs | patient.gas


def wrong_slice(patient: Patient) -> np.ndarray:
    """Reverse the order of the masks, so that they lie on slices from the other end of the body."""
    return patient.lungs[::-1].copy()


def lost_slice(patient: Patient) -> np.ndarray:
    """Leave only a speck of the mask in every other slice."""
    kept = patient.lungs.copy()
    for mask in kept[::2]:
        rows, columns = np.nonzero(mask)
        mask[:] = False
        mask[rows[:20], columns[:20]] = True
    return kept


class Failure(NamedTuple):
    """Describe a failure. plant: makes the bad masks. differs: below this Dice with the true mask, a slice failed."""

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
    """Apply the default rules to the slices of a patient with these masks."""
    scores = pd.DataFrame(volume_scores(patient.images, masks, RULES["soft_level"], RULES["air_level"]))
    return decide(scores, RULES)


def quality(patient: Patient) -> pd.DataFrame:
    """Decide on every slice that shows lung, with the true masks and with every planted failure.

    Columns `failure` ("" for the true masks) and `kept` (`segmented_keep` of the decision).
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
    """Count the slices and the share rejected (sensitivity) per failure; for true masks the share kept."""
    grouped = found.groupby("failure")["kept"]
    table = pd.DataFrame({"slices": grouped.size(), "sensitivity": 1 - grouped.mean()}).drop(index="")
    good = found.loc[found["failure"] == "", "kept"]
    table.loc["(true masks: specificity)"] = [len(good), good.mean()]
    return table.astype({"slices": int})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=12, help="of each disease")
    parser.add_argument("--matrix", type=int, default=128)
    parser.add_argument(
        "--seed", type=int, default=501, help="of the first patient; the limits were chosen with other seeds"
    )
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
