"""Automatic decisions on single scores, and how many planted failures they find."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from benchmarks.qc_failures import FAILURES, RULES, Patient, decisions, patient_of, quality, summary
from lungsight.intake.geometry import image_to_slice
from lungsight.qc.rules import CUT_OUT, LOST, MASK_LIMITS, NO_LUNG, NO_MASK, decide, in_brief, in_words
from lungsight.qc.scores import volume_scores
from lungsight.qc.volumes import as_images
from lungsight.segmentation.classical import air_in_body, lung_mask
from tests.factories.tables import made_slice

GOOD = {
    **{"slice": "0" * 16 + "-0000", "lung_fraction": 0.2, "components": 2, "largest_share": 0.5, "border_contact": 0.0},
    **{"solidity": 0.9, "holes": 0.01, "mean_intensity": 0.3, "soft_fraction": 0.02, "neighbour_dice": 0.9},
    **{"air_fraction": 0.19, "missed_air": 0.05, "classical_dice": 0.98, "classical_kept": 0.97, "gas_fraction": 0.0},
    "cut_out": 0,
}


def decision_on(**changed: float) -> pd.Series:
    return decide(pd.DataFrame([GOOD | changed]), RULES).iloc[0]


def test_a_good_slice_is_kept_without_a_reason():
    decision = decision_on()
    assert (decision["whole_keep"], decision["segmented_keep"], decision["reason"]) == (1, 1, "")
    assert decision["suspicion"] < 1


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"lung_fraction": 0.8}, "the mask covers 80 % of the image, limit 75 %"),
        ({"border_contact": 0.9}, "the mask covers 90 % of the image border, limit 45 %"),
        # The air between the body and a couch that divides it: the least of A0002.
        ({"border_contact": 0.473}, "the mask covers 47 % of the image border, limit 45 %"),
        ({"components": 7}, "the mask is in 7 pieces, limit 4"),
        ({"solidity": 0.1}, "the outline is ragged (solidity 10 %), limit 25 %"),
        ({"holes": 0.4}, "holes of 40 % in the mask, limit 15 %"),
        ({"mean_intensity": 0.8}, "the mask is dense inside (mean 80 % of the window), limit 55 %"),
        ({"soft_fraction": 0.97}, "97 % of the mask is soft tissue, limit 30 %"),
        ({"missed_air": 0.5}, "the mask misses 50 % of the air in the body, limit 35 %"),
        ({"neighbour_dice": 0.1}, "the mask agrees to 10 % with the neighbouring slices, limit 30 %"),
        ({"classical_kept": 0.4}, "the mask keeps 40 % of the air of one lung, limit 70 %"),
        ({"classical_dice": 0.1}, "the mask agrees to 10 % with the air of the lungs, limit 30 %"),
        ({"gas_fraction": 0.2}, "20 % of the mask is gas in airways, stomach or bowel, limit 3 %"),
    ],
)
def test_each_limit_rejects_the_mask_but_not_the_slice(changed, reason):
    decision = decision_on(**changed)
    assert (decision["whole_keep"], decision["segmented_keep"], decision["reason"]) == (1, 0, reason)
    assert decision["suspicion"] > 1


def test_lungs_that_a_crop_cuts_may_cover_much_of_the_border():
    assert decision_on(border_contact=0.44)["segmented_keep"] == 1


def test_lungs_that_are_cut_out_are_in_neither_framework():
    decision = decision_on(cut_out=1)
    assert (decision["whole_keep"], decision["segmented_keep"], decision["reason"]) == (0, 0, CUT_OUT)


def test_a_slice_without_a_mask_is_judged_by_its_air_and_never_segmented():
    image, _ = made_slice(96, positive=False, rng=np.random.default_rng(3))
    images = np.stack([image, 0 * image]).astype(np.float32) / 255
    scores = pd.DataFrame(volume_scores(images, None, soft_level=0.75, air_level=0.5))
    assert scores.drop(columns=["components", "air_fraction", "cut_out"]).isna().all(axis=None)
    decision = decide(scores, RULES)
    assert decision["reason"].tolist() == [NO_MASK, NO_MASK]
    assert decision["whole_keep"].tolist() == [1, 0]
    assert decision["segmented_keep"].tolist() == [0, 0]
    assert decision["suspicion"].tolist() == [np.inf, 0], "the slice with lung and no mask comes first"
    assert in_brief(NO_MASK) == NO_MASK


def test_reasons_in_brief():
    for limit in MASK_LIMITS:
        assert in_brief(f"{in_words(limit, 0.4, 0.3)}; holes of 20 % in the mask, limit 15 %") == limit.brief
    assert in_brief(decision_on(lung_fraction=0.001, missed_air=1.0)["reason"]) == LOST
    for reason in (NO_LUNG, "", "other tissue kept"):
        assert in_brief(reason) == reason


def test_a_lost_mask_does_not_lose_the_slice():
    scores = ("border_contact", "solidity", "holes", "mean_intensity", "soft_fraction", "gas_fraction")
    nothing = dict.fromkeys(scores, np.nan)
    decision = decision_on(lung_fraction=0.0, components=0, missed_air=1.0, **nothing)
    assert (decision["whole_keep"], decision["segmented_keep"]) == (1, 0)
    assert decision["reason"].startswith("the mask misses the lung (0.0 % of the image)")
    assert np.isinf(decision["suspicion"])


def test_without_air_in_the_body_no_mask_makes_a_lung():
    below = decision_on(lung_fraction=0.005, air_fraction=0.004)
    assert (below["whole_keep"], below["segmented_keep"], below["reason"]) == (0, 0, NO_LUNG)
    leaked = decision_on(lung_fraction=0.3, air_fraction=0.004, soft_fraction=0.9)
    assert (leaked["whole_keep"], leaked["segmented_keep"], leaked["reason"]) == (0, 0, NO_LUNG)


def test_a_consolidated_lung_with_little_air_is_kept_because_of_its_mask():
    assert decision_on(air_fraction=0.01, soft_fraction=0.2)["whole_keep"] == 1


@cache
def phantom(seed: int, disease: str) -> Patient:
    return patient_of(seed, disease)


@cache
def real_lungs(folder: Path) -> Patient:
    """Windowed images of a real series at half resolution, and what the classical method finds in them."""
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    files.sort(key=lambda file: float(file.ImagePositionPatient[2]))
    hu = np.stack([file.pixel_array[::2, ::2] + float(file.RescaleIntercept) for file in files])
    volume = np.stack([image_to_slice(plane) for plane in np.clip((hu + 1250) / 1500, 0, 1)], axis=-1)
    pixel = 2 * float(files[0].PixelSpacing[0])
    lungs = lung_mask(volume, (pixel, pixel, 8.0))
    return Patient(*map(as_images, (volume.astype(np.float32), lungs, air_in_body(volume).gas)))


def check_quality(table: pd.DataFrame, title: str) -> None:
    """Assert a specificity of at least 0.95, and the same sensitivity to each failure that was planted often."""
    measured = summary(table)
    print(f"{title}\n{measured.round(3)}")
    assert len(measured) == len(FAILURES) + 1
    often = measured[measured["slices"] >= 5]
    assert often["sensitivity"].min() >= 0.95, often


def test_planted_failures_are_caught_on_phantoms():
    patients = [(1, "covid"), (2, "nodule")]
    check_quality(pd.concat([quality(phantom(*patient)) for patient in patients]), "phantoms")


def test_planted_failures_are_caught_on_real_lungs(real_ct):
    check_quality(quality(real_lungs(real_ct / "lung_dx_A0002")), "A0002")


def test_a_failed_mask_rarely_loses_the_whole_slice():
    patient = phantom(1, "covid")
    shows_lung = patient.lungs.mean(axis=(1, 2)) >= RULES["min_air_fraction"] * 1.5
    for failure in FAILURES:
        kept = decisions(patient, failure.plant(patient))["whole_keep"].to_numpy()
        assert kept[shows_lung].mean() >= 0.95, failure.name
