"""Resampling against TensorFlow, scikit-image and arithmetic."""

import numpy as np
import pytest
from skimage.transform import downscale_local_mean

from lungsight.explain.resample import area_weights, average_area, bilinear_weights, upsample_bilinear


@pytest.mark.parametrize("sizes", [(4, 128), (7, 224), (3, 50), (1, 8), (8, 8)])
def test_bilinear_equals_tensorflow(sizes: tuple[int, int]) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    small, large = sizes
    images = np.random.default_rng(0).random((2, small, small)).astype(np.float32)
    expected = tensorflow.image.resize(images[..., None], (large, large), method="bilinear").numpy()[..., 0]
    np.testing.assert_allclose(upsample_bilinear(images, (large, large)), expected, atol=1e-6)


def test_area_average_equals_the_block_mean_where_sizes_divide() -> None:
    images = np.random.default_rng(1).random((3, 32, 48))
    expected = downscale_local_mean(images, (1, 8, 8))
    np.testing.assert_allclose(average_area(images, (4, 6)), expected, rtol=1e-6)


def test_area_average_shares_a_pixel_between_two_where_sizes_do_not_divide() -> None:
    # Three pixels onto two: the middle one belongs half to each.
    np.testing.assert_allclose(area_weights(3, 2), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]])


@pytest.mark.parametrize("weights", [bilinear_weights(7, 224), area_weights(100, 7)])
def test_weights_sum_to_one(weights: np.ndarray) -> None:
    np.testing.assert_allclose(weights.sum(axis=1), 1)
