"""Boxes around the lung, by hand and on phantom lungs."""

import numpy as np
import pandas as pd
import pytest

from lungsight.explain.margin import pixel_sizes
from lungsight.training.image_cache import ARRAYS, write_image_cache
from lungsight.training.regions import MARGIN, Box, bounding_box, lung_box, whole_image
from tests.factories.tables import disc, made_cohort


def mask_of(shape: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


def test_the_bounding_box_is_the_smallest_that_holds_the_mask() -> None:
    assert bounding_box(mask_of((100, 120), slice(30, 50), slice(40, 80))) == Box(30, 50, 40, 80)
    assert bounding_box(np.eye(7, dtype=bool)) == Box(0, 7, 0, 7)


def test_the_lung_box_is_a_square_around_the_lung_with_a_margin() -> None:
    box = lung_box(mask_of((100, 120), slice(30, 50), slice(40, 80)))
    assert box == Box(top=18, bottom=62, left=38, right=82)  # 40 wide, 10 % more, centred on row 40 and column 60
    assert box.extent((100, 120)) == pytest.approx((0.44, 44 / 120))
    assert box.crop(np.zeros((100, 120))).shape == (44, 44)


def test_a_box_at_the_edge_moves_inwards_and_a_box_that_does_not_fit_is_cut() -> None:
    assert lung_box(mask_of((100, 100), slice(0, 30), slice(70, 100))) == Box(0, 33, 67, 100)
    assert lung_box(mask_of((50, 100), slice(10, 20), slice(0, 90))) == Box(0, 50, 0, 99)
    assert lung_box(np.ones((8, 8), bool)) == whole_image(np.ones((8, 8), bool)) == Box(0, 8, 0, 8)


def test_a_slice_without_lung_is_shown_whole() -> None:
    assert lung_box(np.zeros((20, 30), bool)) == Box(0, 20, 0, 30)


def test_a_slice_with_a_fragment_of_a_lung_is_shown_whole() -> None:
    speck = mask_of((512, 512), slice(100, 103), slice(200, 203))
    assert lung_box(speck) == whole_image(speck)
    quarter = mask_of((512, 512), slice(100, 230), slice(200, 220))
    assert lung_box(quarter).extent((512, 512)) == (143 / 512, 143 / 512)


@pytest.mark.parametrize("seed", range(5))
def test_phantom_lungs_lie_wholly_in_their_box_and_the_box_is_tight(seed: int) -> None:
    row, column, height, width = np.random.default_rng(seed).uniform([0.4, 0.3, 0.1, 0.1], [0.6, 0.35, 0.25, 0.15])
    mask = disc(96, row, column, height, width) | disc(96, row, 1 - column, height, width)
    box = lung_box(mask)
    assert box.crop(mask).sum() == mask.sum()
    rows, columns = (np.ptp(np.flatnonzero(mask.any(axis=axis))) + 1 for axis in (1, 0))
    length = max(rows, columns) * (1 + 2 * MARGIN)
    assert box.bottom - box.top == box.right - box.left == pytest.approx(min(length, 96), abs=0.5)


def test_image_and_mask_are_cropped_alike_and_the_index_has_the_share_that_is_shown(tmp_path) -> None:
    slices = made_cohort(tmp_path, "curated", patients=2, slices=2, size=64)
    arrays = {name: tmp_path / f"{name}.npy" for name in ARRAYS}
    masks = {"masks": tmp_path / "segmentation/masks/curated", "lesions": tmp_path / "cohorts/curated/lesions"}
    extents = write_image_cache(slices, tmp_path / "cohorts/curated", masks, 32, arrays, region="lung_box")
    whole, segmented, mask, _ = (np.load(arrays[name]) for name in ARRAYS)
    # Lungs span 0.15 … 0.85 of the width, with a margin 0.77. They are dark, and fill the box from left to right.
    np.testing.assert_allclose(extents["width"], 0.77, atol=0.03)
    np.testing.assert_allclose(extents["width"], extents["height"])
    spans = [np.flatnonzero(lung.any(axis=0)) for lung in mask]
    assert all(span[0] <= 2 and span[-1] >= 29 for span in spans)
    assert whole[mask == 1].mean() < 100 < whole[mask == 0].mean()
    assert segmented[mask == 1].mean() == pytest.approx(whole[mask == 1].mean(), abs=12)


def test_a_pixel_of_a_box_is_smaller_by_the_share_that_is_shown() -> None:
    slices = pd.DataFrame({"slice": ["a-0", "a-1"], "case": "a"})
    cases = pd.DataFrame({"case": ["a"], "rows": 100, "columns": 100, "spacing_row": 2.0, "spacing_column": 2.0})
    extent = np.array([[1.0, 1.0], [0.5, 0.25]])
    sizes, _ = pixel_sizes(slices["slice"], slices, cases, 50, None, extent)
    np.testing.assert_allclose(sizes, [[4, 4], [2, 1]])
