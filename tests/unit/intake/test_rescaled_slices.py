"""Slices that were rescaled by another slope or intercept than their neighbours are refused; anatomy is not."""

import numpy as np
import pytest

from lungsight.demo.anatomy import thorax
from lungsight.intake.dicom import read_dicom
from lungsight.intake.hounsfield import sampled
from lungsight.intake.plausibility import doubts_about_hounsfield
from lungsight.intake.volume import Window
from tests.factories.dicom import made_hu, made_series, save_series

RNG = np.random.default_rng(6)
CHEST = np.moveaxis(thorax(3, matrix=128, slices=18).hu, 2, 0) + RNG.normal(0, 12, (18, 128, 128))


def doubts(hu):
    return doubts_about_hounsfield([sampled(plane) for plane in np.rint(hu)])


def changed(places, change):
    hu = CHEST.copy()
    hu[list(places)] = change(hu[list(places)])
    return hu


PLACES = {
    "one": [4],
    "the first": [0],
    "the last": [17],
    "every third": range(0, 18, 3),
    "every second": range(1, 18, 2),
    "half": range(9, 18),
    "all but one": [k for k in range(18) if k != 4],
}
CHANGES = {
    "+ 1024": lambda hu: hu + 1024,
    "+ 1024, clipped": lambda hu: np.maximum(hu, -1024) + 1024,
    "- 1024": lambda hu: hu - 1024,
    "slope 2": lambda hu: 2 * (hu + 1024) - 1024,
}


@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("change", CHANGES)
def test_some_slices_are_rescaled_otherwise(places, change):
    (doubt,) = doubts(changed(PLACES[places], CHANGES[change]))
    assert doubt.certain and any(word in doubt.words for word in ("rescaled otherwise", "applied twice"))


GOOD = {
    "chest": CHEST,
    "every third slice alone": CHEST[::3],
    "cropped": CHEST[:, 40:88, 30:98],
    "air above": np.concatenate([np.full((2, 128, 128), -1000.0), CHEST]),
    "blank above": np.concatenate([np.zeros((1, 128, 128)), CHEST]),
    "consolidated in one slice": changed([4], lambda hu: np.where((hu > -950) & (hu < -400), 40, hu)),
    "metal in one slice": changed([4], lambda hu: np.where(np.indices(hu.shape)[2] % 64 < 2, 3071, hu)),
    "another table height": changed([4], lambda hu: np.roll(hu, 20, axis=1)),
    "noise in one slice": changed([4], lambda hu: hu + RNG.normal(0, 150, hu.shape)),
}


@pytest.mark.parametrize("name", GOOD)
def test_slices_that_differ_by_anatomy_alone(name):
    assert doubts(GOOD[name]) == []


def test_many_jumps_are_one_note(tmp_path):
    datasets = made_series(made_hu(n=12))
    for dataset in datasets[1::2]:
        dataset.RescaleIntercept += 100
    notes = read_dicom(save_series(tmp_path, datasets), tmp_path, Window(-1250, 250), 5).notes
    assert notes == ["HU jump between slices 1 and 2 (and at 10 other places)"]
