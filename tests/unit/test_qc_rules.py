"""Automatic decisions on single scores, and how many planted failures they catch."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from scipy import ndimage

from lungsight.config import config_schema
from lungsight.demo.anatomy import thorax
from lungsight.intake.geometry import image_to_slice
from lungsight.qc.rules import NO_LUNG, decide
from lungsight.qc.scores import dice, largest_component, volume_scores
from lungsight.qc.volumes import as_images
from lungsight.segmentation.classical import lung_mask

LIMITS = config_schema()["properties"]["qc"]["properties"]["rules"]["properties"]
RULES = {name: limit["default"] for name, limit in LIMITS.items()}
GOOD = {
    **{"slice": "0" * 16 + "-0000", "lung_fraction": 0.2, "components": 2, "largest_share": 0.5, "border_contact": 0.0},
    **{"solidity": 0.9, "holes": 0.01, "mean_intensity": 0.3, "soft_fraction": 0.02, "neighbour_dice": 0.9},
    **{"air_fraction": 0.19, "missed_air": 0.05},
}


def decided(**changed: float) -> pd.Series:
    return decide(pd.DataFrame([GOOD | changed]), RULES).iloc[0]


def test_a_good_slice_is_kept_without_a_reason():
    found = decided()
    assert (found["whole_keep"], found["segmented_keep"], found["reason"]) == (1, 1, "")
    assert found["suspicion"] < 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"lung_fraction": 0.7}, "the mask covers 70 % of the image, limit 60 %"),
        ({"border_contact": 0.9}, "the mask covers 90 % of the image border, limit 25 %"),
        ({"components": 7}, "the mask is in 7 pieces, limit 4"),
        ({"solidity": 0.1}, "the outline is ragged (solidity 10 %), limit 25 %"),
        ({"holes": 0.4}, "holes of 40 % in the mask, limit 15 %"),
        ({"mean_intensity": 0.8}, "the mask is dense inside (mean 80 % of the window), limit 55 %"),
        ({"soft_fraction": 0.97}, "97 % of the mask is soft tissue, limit 30 %"),
        ({"missed_air": 0.5}, "the mask misses 50 % of the air in the body, limit 35 %"),
        ({"neighbour_dice": 0.1}, "the mask agrees to 10 % with the neighbouring slices, limit 30 %"),
    ],
)
def test_each_limit_rejects_the_mask_and_not_the_slice(changed, words):
    found = decided(**changed)
    assert (found["whole_keep"], found["segmented_keep"], found["reason"]) == (1, 0, words)
    assert found["suspicion"] > 1


def test_a_lost_mask_does_not_lose_the_slice():
    nothing = dict.fromkeys(("border_contact", "solidity", "holes", "mean_intensity", "soft_fraction"), np.nan)
    found = decided(lung_fraction=0.0, components=0, missed_air=1.0, **nothing)
    assert (found["whole_keep"], found["segmented_keep"]) == (1, 0)
    assert found["reason"].startswith("the mask misses the lung (0.0 % of the image)")
    assert np.isinf(found["suspicion"])


def test_no_lung_is_no_lung_whatever_the_mask_says():
    below = decided(lung_fraction=0.005, air_fraction=0.004)
    assert (below["whole_keep"], below["segmented_keep"], below["reason"]) == (0, 0, NO_LUNG)
    leaked = decided(lung_fraction=0.3, air_fraction=0.004, soft_fraction=0.9)
    assert (leaked["whole_keep"], leaked["segmented_keep"], leaked["reason"]) == (0, 0, NO_LUNG)


def test_a_consolidated_lung_with_little_air_is_kept_for_its_mask():
    assert decided(air_fraction=0.01, soft_fraction=0.2)["whole_keep"] == 1


# Failures of a segmentation, planted in good masks, (slices, rows, columns) bool.


def empty(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    return np.zeros_like(masks)


def inverted(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    return ~masks


def lost_lung(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Only the lung on the image's left is kept."""
    kept = masks.copy()
    kept[:, :, masks.shape[2] // 2 :] = False
    return kept


def leak_outside(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The air around the body is kept with the lung."""
    dark = (images < 0.5) & ~masks
    return masks | np.stack([largest_component(plane) for plane in dark])


def leak_wall(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The mask runs over into the chest wall and the mediastinum, until it is 2.5 times as large."""
    grown = []
    for mask in masks:
        distance = ndimage.distance_transform_edt(~mask)
        grown.append(distance <= np.sort(distance, axis=None)[min(int(2.5 * mask.sum()), mask.size - 1)])
    return np.stack(grown)


def wrong_slice(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The masks lie on the images from the other end: feet for head."""
    return masks[::-1].copy()


def lost_slice(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Every other slice lost its mask but for a speck."""
    kept = masks.copy()
    for mask in kept[::2]:
        rows, columns = np.nonzero(mask)
        mask[:] = False
        mask[rows[:20], columns[:20]] = True
    return kept


FAILURES: list[Callable[[np.ndarray, np.ndarray], np.ndarray]] = [
    *(empty, inverted, lost_lung, leak_outside, leak_wall, wrong_slice, lost_slice)
]


@cache
def phantom(seed: int, disease: str) -> tuple[np.ndarray, np.ndarray]:
    """Windowed images and true lung masks of a generated patient, both (slices, rows, columns)."""
    made = thorax(seed=seed, matrix=96, slices=12, scanner="beta", disease=disease)
    return as_images(np.clip((made.hu + 1250) / 1500, 0, 1)), as_images(made.lung)


@cache
def real_lungs(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Windowed images of a real series at half resolution, and its classical lung masks."""
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    files.sort(key=lambda file: float(file.ImagePositionPatient[2]))
    hu = np.stack([file.pixel_array[::2, ::2] + float(file.RescaleIntercept) for file in files])
    volume = np.stack([image_to_slice(plane) for plane in np.clip((hu + 1250) / 1500, 0, 1)], axis=-1)
    pixel = 2 * float(files[0].PixelSpacing[0])
    return as_images(volume.astype(np.float32)), as_images(lung_mask(volume, (pixel, pixel, 8.0)))


def scored(images: np.ndarray, masks: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(volume_scores(images, masks, RULES["soft_level"], RULES["air_level"]))


def quality(images: np.ndarray, masks: np.ndarray) -> pd.DataFrame:
    """The decision `segmented_keep` on every slice that shows lung, for good masks and for every planted failure.

    Columns `failure` ("" for the good masks), `kept`. A planted mask counts as a failure where its Dice with the good
    one is below 0.7.
    """
    shows_lung = masks.mean(axis=(1, 2)) >= RULES["min_lung_fraction"]
    good = decide(scored(images, masks), RULES)["segmented_keep"].to_numpy()[shows_lung]
    found = [pd.DataFrame({"failure": "", "kept": good})]
    for plant in FAILURES:
        planted = plant(images, masks)
        failed = shows_lung & (np.array([dice(*pair) for pair in zip(planted, masks, strict=True)]) < 0.7)
        kept = decide(scored(images, planted), RULES)["segmented_keep"].to_numpy()[failed]
        found.append(pd.DataFrame({"failure": plant.__name__, "kept": kept}))
    return pd.concat(found, ignore_index=True)


def check_quality(found: pd.DataFrame, what: str) -> None:
    """Specificity and sensitivity at least 0.95, of no single failure below 0.9; says what was measured."""
    planted = found[found["failure"] != ""]
    specificity = found.loc[found["failure"] == "", "kept"].mean()
    caught = 1 - planted.groupby("failure")["kept"].mean()
    print(f"{what}: specificity {specificity:.3f}, sensitivity {1 - planted['kept'].mean():.3f}; {caught.to_dict()}")
    assert set(caught.index) == {plant.__name__ for plant in FAILURES}
    assert specificity >= 0.95
    assert 1 - planted["kept"].mean() >= 0.95
    assert caught.min() >= 0.9, caught


def test_planted_failures_are_caught_on_phantoms():
    patients = [(1, "covid"), (2, "nodule")]
    check_quality(pd.concat([quality(*phantom(*patient)) for patient in patients]), "phantoms")


def test_planted_failures_are_caught_on_real_lungs(real_ct):
    check_quality(quality(*real_lungs(real_ct / "lung_dx_A0002")), "A0002")


def test_a_failed_mask_rarely_loses_the_whole_slice():
    images, masks = phantom(1, "covid")
    shows_lung = masks.mean(axis=(1, 2)) >= RULES["min_air_fraction"] * 1.5
    for plant in FAILURES:
        kept = decide(scored(images, plant(images, masks)), RULES)["whole_keep"].to_numpy()
        assert kept[shows_lung].mean() >= 0.95, plant.__name__
