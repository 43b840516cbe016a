"""The lung with a margin: pixel sizes from the tables, and dilation against plain geometry."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lungsight.explain.margin import ASSUMED, FROM_SPACING, UNKNOWN, dilate, near_lung, pixel_sizes
from lungsight.tables import table_schema

SLICES = pd.DataFrame({"slice": ["b-0", "a-0", "a-1", "c-0"], "case": ["b", "a", "a", "c"]})
CASES = pd.DataFrame(
    {
        **{"case": ["a", "b", "c"], "rows": [512, 200, np.nan], "columns": [256, 200, np.nan]},
        **{"spacing_row": [0.7, np.nan, 0.8], "spacing_column": [1.5, np.nan, 0.8]},
    }
)


def test_the_size_of_a_pixel_grows_as_the_image_shrinks() -> None:
    names = pd.Series(["a-1", "b-0", "c-0"])
    pixels, origin = pixel_sizes(names, SLICES, CASES, size=128, assumed_width=360)
    np.testing.assert_allclose(pixels, [[0.7 * 4, 1.5 * 2], [360 / 128] * 2, [360 / 128] * 2])
    assert origin.tolist() == [FROM_SPACING, ASSUMED, ASSUMED]


def test_without_an_assumption_the_size_is_unknown_and_there_is_no_margin() -> None:
    pixels, origin = pixel_sizes(pd.Series(["b-0", "a-0"]), SLICES, CASES, size=128, assumed_width=None)
    assert np.isnan(pixels[0]).all()
    assert origin.tolist() == [UNKNOWN, FROM_SPACING] == ["unknown", "spacing"]
    near = near_lung(np.ones((2, 128, 128), bool), pixels, origin, margin=5)
    assert near.masks.any(axis=(1, 2)).tolist() == [False, True]


def test_the_origins_are_the_words_of_the_table() -> None:
    assert table_schema("saliency")["properties"]["margin_from"]["enum"] == [FROM_SPACING, ASSUMED, UNKNOWN]


@pytest.mark.parametrize("spacing", [0.0, -1.0, np.inf, np.nan])
def test_a_spacing_that_is_not_positive_and_finite_is_unknown(spacing: float) -> None:
    cases = CASES.assign(spacing_row=spacing)
    sizes, origin = pixel_sizes(SLICES["slice"], SLICES, cases, 256, assumed_width=None)
    assert np.isnan(sizes).all() and set(origin) == {UNKNOWN}


@given(
    arrays(bool, (9, 7)).filter(np.any),
    st.sampled_from([(1.0, 1.0), (2.0, 0.7), (0.5, 3.0)]),
    st.sampled_from([0.4, 1.0, 2.3, 5.1]),
)
@settings(max_examples=60, deadline=None)
def test_dilation_adds_every_pixel_within_the_distance(
    mask: np.ndarray, pixel: tuple[float, float], margin: float
) -> None:
    rows, columns = np.indices(mask.shape)
    lung = np.argwhere(mask)
    distance = np.hypot((rows[..., None] - lung[:, 0]) * pixel[0], (columns[..., None] - lung[:, 1]) * pixel[1]).min(
        axis=-1
    )
    np.testing.assert_array_equal(dilate(mask, np.array(pixel), margin), distance <= margin)


def test_an_empty_mask_stays_empty() -> None:
    assert not dilate(np.zeros((5, 5), bool), np.array([1.0, 1.0]), 100).any()


@pytest.mark.parametrize("rows", [[0], [2, 0]])
def test_taking_slices_keeps_masks_and_origins_together(rows: list[int]) -> None:
    masks, origin = np.eye(3, dtype=bool)[:, None, :].repeat(3, axis=1), np.array([FROM_SPACING, ASSUMED, UNKNOWN])
    near = near_lung(masks, np.ones((3, 2)), origin, margin=0.5).take(np.array(rows))
    np.testing.assert_array_equal(near.masks, masks[rows])
    assert near.origin.tolist() == origin[rows].tolist()
