"""Plant slices: every scenario has the same persons, and only what it plants separates the classes."""

import numpy as np
import pytest

from lungsight.demo.cohort import POSITIVE
from lungsight.demo.planted import PLANTED_SCENARIOS, SLICES, Planted, PlantedScenario, plant
from lungsight.demo.scanner import mark_pixels
from lungsight.intake.geometry import slice_to_image

SUBSETS = {"train": 4, "val": 2, "test": 2}
MARK = slice_to_image(mark_pixels(64))


@pytest.fixture(scope="module")
def scenarios() -> dict[str, Planted]:
    return {name: plant(scenario, seed=5, **SUBSETS) for name, scenario in PLANTED_SCENARIOS.items()}


def positive(planted: Planted) -> np.ndarray:
    return (planted.table["label"] == POSITIVE).to_numpy()


def test_slices_are_in_table_order_with_both_classes_in_each_subset(scenarios: dict[str, Planted]) -> None:
    for planted in scenarios.values():
        n = SLICES * sum(SUBSETS.values())
        assert planted.images.shape == planted.lung.shape == planted.lesion.shape == (n, 64, 64)
        assert (planted.images.dtype, planted.lung.dtype) == (np.uint8, bool)
        assert planted.table.groupby(["split", "label"])["patient"].nunique().tolist() == [1, 1, 2, 2, 1, 1]
        assert planted.lung.any(axis=(1, 2)).all()


def test_lesions_lie_in_the_lungs_of_positives(scenarios: dict[str, Planted]) -> None:
    with_lesions = scenarios["lesions"].lesion.any(axis=(1, 2))
    assert with_lesions[positive(scenarios["lesions"])].any()
    assert not scenarios["mark alone"].lesion.any()
    assert not (scenarios["lesions"].lesion & ~scenarios["lesions"].lung).any()


def test_a_full_mark_follows_the_label_and_changes_nothing_else(scenarios: dict[str, Planted]) -> None:
    marked, plain = scenarios["mark 1.0"].images, scenarios["lesions"].images
    assert (marked[:, MARK][positive(scenarios["lesions"])] == 255).all()
    np.testing.assert_array_equal(marked[:, ~MARK], plain[:, ~MARK])
    np.testing.assert_array_equal(marked[~positive(scenarios["lesions"])], plain[~positive(scenarios["lesions"])])


def test_the_strength_of_a_mark_is_its_correlation_with_the_label() -> None:
    planted = plant(PlantedScenario(lesions=False, mark=0.5), seed=5, train=60, val=0, test=0, size=32)
    marked = (planted.images[:, slice_to_image(mark_pixels(32))] == 255).all(axis=1)
    assert marked[positive(planted)].mean() == pytest.approx(0.75, abs=0.15)
    assert marked[~positive(planted)].mean() == pytest.approx(0.25, abs=0.15)


def test_an_inner_mark_lies_in_the_lung(scenarios: dict[str, Planted]) -> None:
    changed = scenarios["mark in the lung"].images != plant(PlantedScenario(lesions=False), seed=5, **SUBSETS).images
    assert changed.any(axis=(1, 2)).tolist() == positive(scenarios["lesions"]).tolist()
    assert not (changed & ~scenarios["mark in the lung"].lung).any()


def test_segmented_slices_are_black_outside_and_a_shrunk_mask_is_smaller(scenarios: dict[str, Planted]) -> None:
    for name in ("segmented lesions", "segmented outline"):
        assert (scenarios[name].images[~scenarios[name].lung] == 0).all()
    shrunk, whole = (scenarios[name].lung.sum(axis=(1, 2)) for name in ("segmented outline", "segmented lesions"))
    assert ((shrunk < whole) == positive(scenarios["lesions"])).all()
