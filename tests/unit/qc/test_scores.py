"""Scores against shapes whose area, hull and holes are known by hand."""

import numpy as np
import pytest

from lungsight.qc.scores import (
    border_contact,
    classical_scores,
    components_of,
    enclosed_air,
    fill_holes,
    neighbour_dices,
    slice_scores,
    solidity,
    volume_scores,
)
from lungsight.segmentation.agreement import dice
from tests.factories.tables import disc, made_slice


def rectangle(size: int, rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((size, size), dtype=bool)
    mask[rows, columns] = True
    return mask


def test_two_rectangles():
    mask = rectangle(40, slice(10, 20), slice(4, 14)) | rectangle(40, slice(10, 30), slice(20, 36))
    image = np.full((40, 40), 0.25, dtype=np.float32)
    image[10:15, 4:14] = 0.85
    scores = slice_scores(image, mask, soft_level=0.75, air_level=0.5)
    area = 10 * 10 + 20 * 16
    assert scores["lung_fraction"] == pytest.approx(area / 1600)
    assert scores["components"] == 2
    assert scores["largest_share"] == pytest.approx(320 / area)
    assert scores["border_contact"] == 0
    assert scores["solidity"] == pytest.approx(1)
    assert scores["holes"] == 0
    assert scores["mean_intensity"] == pytest.approx((50 * 0.85 + (area - 50) * 0.25) / area)
    assert scores["soft_fraction"] == pytest.approx(50 / area)


def test_specks_are_dropped_and_diagonal_neighbours_are_separate():
    mask = rectangle(40, slice(0, 20), slice(0, 20))
    mask[30, 30] = True  # 1 of 401 pixels
    assert [part.sum() for part in components_of(mask)] == [400]
    touching_at_a_corner = rectangle(40, slice(0, 10), slice(0, 10)) | rectangle(40, slice(10, 20), slice(10, 20))
    assert len(components_of(touching_at_a_corner)) == 2


def test_solidity_of_an_l_is_area_over_hull():
    mask = rectangle(30, slice(0, 20), slice(0, 20))
    mask[:10, 10:20] = False
    # The hull of the L cuts the missing 10 × 10 corner in half along the diagonal; 55 pixel squares lie on or below it.
    share = solidity(components_of(mask))
    assert share == pytest.approx(300 / 350, abs=0.015)


def test_a_hole_is_filled_and_an_open_bay_is_not():
    mask = rectangle(30, slice(5, 25), slice(5, 25))
    mask[10:14, 10:15] = False
    assert fill_holes(mask).sum() - mask.sum() == 20
    bay = rectangle(30, slice(5, 25), slice(5, 25))
    bay[5:14, 10:15] = False
    assert fill_holes(bay).sum() == bay.sum()
    at_border = np.ones((10, 10), dtype=bool)
    at_border[0, 4:6] = False
    assert fill_holes(at_border).sum() == 98


def test_border_contact_is_a_share_of_the_border():
    mask = rectangle(10, slice(0, 5), slice(0, 3))
    assert border_contact(mask) == pytest.approx((3 + 4) / 36)
    assert border_contact(np.ones((10, 10), dtype=bool)) == 1


def test_air_is_found_inside_the_body_only():
    image = np.where(disc(100, 0.5, 0.5, 0.4, 0.4), 0.85, 0.1).astype(np.float32)
    lung = disc(100, 0.5, 0.4, 0.2, 0.1)
    image[lung] = 0.3
    image[95:98, 5:95] = 0.85  # a table, with air between it and the body
    np.testing.assert_array_equal(enclosed_air(image, 0.5), lung)


def test_missed_air_is_the_lung_that_the_mask_lost():
    image, lungs = made_slice(96, positive=False, rng=np.random.default_rng(3))
    left = lungs.copy()
    left[:, 48:] = False
    scores = slice_scores(image.astype(np.float32) / 255, left, soft_level=0.75, air_level=0.5)
    assert scores["missed_air"] == pytest.approx(1 - left.sum() / lungs.sum(), abs=0.01)
    assert scores["air_fraction"] == pytest.approx(lungs.mean(), abs=0.002)


def test_an_empty_mask_has_no_shape():
    scores = slice_scores(np.full((8, 8), 0.8, dtype=np.float32), np.zeros((8, 8), dtype=bool), 0.75, 0.5)
    assert (scores["lung_fraction"], scores["components"], scores["air_fraction"]) == (0, 0, 0)
    for name in (
        "largest_share",
        "border_contact",
        "solidity",
        "holes",
        "mean_intensity",
        "soft_fraction",
        "missed_air",
    ):
        assert np.isnan(scores[name])


def test_agreement_with_the_classical_lung():
    image, lungs = made_slice(96, positive=False, rng=np.random.default_rng(3))
    images = np.stack([image.astype(np.float32) / 255] * 5)
    left, half, moved = lungs.copy(), lungs.copy(), np.roll(lungs, 30, axis=0)
    left[:, 48:] = False
    half[:48, 48:] = False
    masks = np.stack([lungs, left, half, moved, lungs & False])
    scores = classical_scores(images, masks, air_level=0.5)
    kept = [each["classical_kept"] for each in scores]
    right = lungs[:, 48:].sum()
    assert kept[0] == 1 and kept[1] == kept[4] == 0
    assert kept[2] == pytest.approx(half[:, 48:].sum() / right, abs=0.02)
    agreement = [each["classical_dice"] for each in scores]
    expected = [dice(mask & (images[0] < 0.5), lungs) for mask in masks]
    assert agreement == pytest.approx(expected, abs=0.02)


def test_dense_lung_counts_neither_for_a_mask_nor_against_it():
    image, lungs = made_slice(96, positive=False, rng=np.random.default_rng(3))
    image[40:60, 20:40] = 200  # consolidation of a part of the left lung
    (scores,) = classical_scores(image[np.newaxis].astype(np.float32) / 255, lungs[np.newaxis], air_level=0.5)
    # Two columns of lung between consolidation and mediastinum are too narrow to be found.
    assert scores["classical_dice"] == pytest.approx(1, abs=0.03)
    assert scores["classical_kept"] == pytest.approx(1, abs=0.01)


def test_gas_is_darker_than_lung():
    rng = np.random.default_rng(3)
    image, lungs = made_slice(96, positive=False, rng=rng)
    image[image < 30] = 30 + rng.integers(-5, 6, np.count_nonzero(image < 30))  # air around the body
    trachea = disc(96, 0.35, 0.5, 0.05, 0.05)
    image[trachea] = 30
    (scores,) = classical_scores(
        image[np.newaxis].astype(np.float32) / 255, (lungs | trachea)[np.newaxis], air_level=0.5
    )
    assert scores["gas_fraction"] == pytest.approx(trachea.sum() / (lungs | trachea).sum(), abs=0.005)
    (clean,) = classical_scores(image[np.newaxis].astype(np.float32) / 255, lungs[np.newaxis], air_level=0.5)
    assert clean["gas_fraction"] == 0


def test_large_images_are_compared_at_fewer_pixels_with_the_same_result():
    image, lungs = made_slice(96, positive=True, rng=np.random.default_rng(3))
    masks = np.roll(lungs, 5, axis=0)[np.newaxis]
    images = image[np.newaxis].astype(np.float32) / 255
    (small,) = classical_scores(images, masks, 0.5)
    (large,) = classical_scores(*(np.kron(array, np.ones((1, 6, 6), array.dtype)) for array in (images, masks)), 0.5)
    assert large == pytest.approx(small, abs=0.03)


def test_the_better_neighbour_counts():
    small, large = rectangle(10, slice(0, 2), slice(0, 5)), rectangle(10, slice(0, 6), slice(0, 5))
    nothing = np.zeros((10, 10), dtype=bool)
    dices = neighbour_dices(np.stack([nothing, nothing, small, large]))
    np.testing.assert_allclose(dices, [np.nan, 0, 0.5, 0.5])
    assert np.isnan(neighbour_dices(small[np.newaxis])).all()


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"mask is \(1, 4, 4\)"):
        volume_scores(np.zeros((1, 5, 5)), np.zeros((1, 4, 4), dtype=bool), 0.75, 0.5)
