"""Planted slices: the same persons in every arm, and nothing but what the arm says tells the classes apart."""

import numpy as np
import pytest

from lungsight.demo.cohort import POSITIVE
from lungsight.demo.planted import ARMS, SLICES, Arm, Planted, plant
from lungsight.demo.scanner import mark_pixels
from lungsight.intake.geometry import slice_to_image

SIDES = {"train": 4, "val": 2, "test": 2}
MARK = slice_to_image(mark_pixels(64))


@pytest.fixture(scope="module")
def arms() -> dict[str, Planted]:
    return {name: plant(arm, seed=5, **SIDES) for name, arm in ARMS.items()}


def positive(planted: Planted) -> np.ndarray:
    return (planted.table["label"] == POSITIVE).to_numpy()


def test_slices_lie_in_table_order_with_both_classes_on_each_side(arms: dict[str, Planted]) -> None:
    for planted in arms.values():
        n = SLICES * sum(SIDES.values())
        assert planted.images.shape == planted.lung.shape == planted.lesion.shape == (n, 64, 64)
        assert (planted.images.dtype, planted.lung.dtype) == (np.uint8, bool)
        assert planted.table.groupby(["split", "label"])["patient"].nunique().tolist() == [1, 1, 2, 2, 1, 1]
        assert planted.lung.any(axis=(1, 2)).all()


def test_lesions_are_where_they_should_be(arms: dict[str, Planted]) -> None:
    with_lesions = arms["lesions"].lesion.any(axis=(1, 2))
    assert with_lesions[positive(arms["lesions"])].any()
    assert not arms["mark alone"].lesion.any()
    assert not (arms["lesions"].lesion & ~arms["lesions"].lung).any()


def test_a_full_mark_follows_the_label_and_changes_nothing_else(arms: dict[str, Planted]) -> None:
    marked, plain = arms["mark 1.0"].images, arms["lesions"].images
    assert (marked[:, MARK][positive(arms["lesions"])] == 255).all()
    np.testing.assert_array_equal(marked[:, ~MARK], plain[:, ~MARK])
    np.testing.assert_array_equal(marked[~positive(arms["lesions"])], plain[~positive(arms["lesions"])])


def test_strength_is_a_correlation() -> None:
    planted = plant(Arm(lesions=False, mark=0.5), seed=5, train=60, val=0, test=0, size=32)
    marked = (planted.images[:, slice_to_image(mark_pixels(32))] == 255).all(axis=1)
    assert marked[positive(planted)].mean() == pytest.approx(0.75, abs=0.15)
    assert marked[~positive(planted)].mean() == pytest.approx(0.25, abs=0.15)


def test_an_inner_mark_lies_in_the_lung(arms: dict[str, Planted]) -> None:
    changed = arms["mark in the lung"].images != plant(Arm(lesions=False), seed=5, **SIDES).images
    assert changed.any(axis=(1, 2)).tolist() == positive(arms["lesions"]).tolist()
    assert not (changed & ~arms["mark in the lung"].lung).any()


def test_segmented_slices_are_black_outside_and_a_shrunk_mask_is_smaller(arms: dict[str, Planted]) -> None:
    for name in ("segmented lesions", "segmented outline"):
        assert (arms[name].images[~arms[name].lung] == 0).all()
    area, full = (arms[name].lung.sum(axis=(1, 2)) for name in ("segmented outline", "segmented lesions"))
    assert ((area < full) == positive(arms["lesions"])).all()
