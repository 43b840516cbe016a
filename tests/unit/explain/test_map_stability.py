"""Similarity of maps against scipy and scikit-image, and its baselines where they are known."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from lungsight.explain.map_stability import (
    GRID,
    average_lung,
    comparable,
    mean_over_pairs,
    random_maps,
    rank_correlation,
    similarities_of,
    structural_similarities,
)
from tests.factories.tables import disc


def test_rank_correlation_is_spearmans_and_missing_for_a_flat_map() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 5, (2, 4, 6, 6)).astype(float)
    second[3] = 0
    correlation = rank_correlation(first, second)
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(first[:3], second[:3], strict=True)]
    np.testing.assert_allclose(correlation[:3], expected)
    assert np.isnan(correlation[3])


def test_structural_similarity_is_scikit_images_and_missing_for_a_flat_map() -> None:
    rng = np.random.default_rng(1)
    first = rng.random((3, 16, 16))
    second = np.clip(first + rng.normal(0, 0.1, first.shape), 0, 1)
    second[2] = 0
    found = structural_similarities(first, second)
    wanted = [structural_similarity(a, b, data_range=1.0) for a, b in zip(first[:2], second[:2], strict=True)]
    np.testing.assert_allclose(found[:2], wanted)
    assert 0.5 < found[0] < 1 and np.isnan(found[2])
    assert structural_similarities(first, first) == pytest.approx(np.ones(3))


def test_maps_are_compared_on_one_grid_whatever_their_scale() -> None:
    rng = np.random.default_rng(2)
    maps = rng.random((2, 6, 6)).astype(np.float32)
    maps[1, 0, 0] = np.nan
    large = comparable(maps)
    assert large.shape == (2, GRID, GRID) and large.max(axis=(1, 2)) == pytest.approx([1, 1])
    np.testing.assert_allclose(comparable(maps * 1e4), large, rtol=1e-5)
    assert not comparable(np.zeros((1, 6, 6))).any()
    for values in similarities_of([(large, comparable(3 * maps))], 2).values():
        np.testing.assert_allclose(values, 1, atol=1e-5)


def test_a_mean_over_pairs_leaves_out_what_cannot_be_compared() -> None:
    values = np.array([[0.2, np.nan, np.nan], [0.4, 0.6, np.nan]])
    np.testing.assert_allclose(mean_over_pairs(values), [0.3, 0.6, np.nan])
    assert mean_over_pairs(np.empty((0, 2))) == pytest.approx([np.nan, np.nan], nan_ok=True)


def test_maps_of_random_numbers_have_nothing_in_common() -> None:
    drawn = [comparable(maps) for maps in random_maps((6, 20, 8, 8), seed=3)]
    values = similarities_of(combinations(drawn, 2), 20)["spearman"]
    assert values.shape == (15, 20) and abs(values.mean()) < 0.05


def test_the_average_lung_is_the_same_for_every_slice() -> None:
    masks = np.stack([disc(96, 0.5, 0.5, radius / 96, radius / 96) for radius in (20, 30, 40)])
    average = average_lung(masks)
    assert average.shape == (3, GRID, GRID) and average.max() == 1
    np.testing.assert_array_equal(average[0], average[2])
    # In the middle all slices have lung, between the rims of the smallest and the largest one a part of them.
    middle = average[0, GRID // 2]
    assert middle[GRID // 2] == 1 and 0.2 < middle[GRID // 2 + round(35 * GRID / 96)] < 0.5
    assert middle[-1] == 0
