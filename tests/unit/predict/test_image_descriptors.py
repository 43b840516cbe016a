"""Descriptors of an image follow what they name."""

import numpy as np
import pytest
from scipy import ndimage

from lungsight.predict.image_descriptors import DESCRIPTORS, describe_image, describe_images, field_of_view
from tests.factories.tables import disc, made_slice

SIZE = 96


def described(image: np.ndarray) -> dict[str, float]:
    return dict(zip(DESCRIPTORS, describe_image(image), strict=True))


def body(height: float, width: float) -> np.ndarray:
    return np.where(disc(SIZE, 0.5, 0.5, height / 2, width / 2), 200, 20).astype(np.uint8)


def noisy(sigma: float, blur: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    grain = ndimage.gaussian_filter(rng.normal(0, sigma, (SIZE, SIZE)), blur)
    return np.clip(128 + grain, 0, 255).astype(np.uint8)


def test_the_body_over_the_frame():
    found = described(body(0.5, 0.8))
    assert found["body_height"] == pytest.approx(0.5, abs=0.03) and found["body_width"] == pytest.approx(0.8, abs=0.03)
    assert found["body_area"] == pytest.approx(np.pi / 4 * 0.4, abs=0.01)
    assert found["air_around"] == pytest.approx(1 - np.pi / 4 * 0.4, abs=0.01)
    assert found["air_at_edge"] == 1


def test_a_crop_without_air_around_the_body_has_none():
    lungs = disc(SIZE, 0.5, 0.3, 0.3, 0.15) | disc(SIZE, 0.5, 0.7, 0.3, 0.15)
    found = described(np.where(lungs, 40, 200).astype(np.uint8))
    assert (found["air_around"], found["air_at_edge"], found["body_width"]) == (0, 0, 1)


def test_grey_levels_are_shares_and_quantiles():
    image = np.repeat(np.array([0, 60, 200, 255], np.uint8), SIZE * SIZE // 4).reshape(SIZE, SIZE)
    found = described(image)
    assert (found["black"], found["white"]) == (0.25, 0.25)
    assert found["grey_q10"] == 0 and found["grey_q90"] == 1
    assert found["tissue_q10"] == pytest.approx(200 / 255) and found["air_median"] == pytest.approx(30 / 255)


@pytest.mark.parametrize("sigma", [4.0, 10.0, 25.0])
def test_the_noise_is_the_standard_deviation_and_agrees_with_that_of_differences(sigma):
    image = noisy(sigma)
    found = np.exp(described(image)["noise"]) * 255
    assert found == pytest.approx(sigma, rel=0.1)
    assert found == pytest.approx(np.diff(image.astype(float)).std() / np.sqrt(2), rel=0.15)


def test_blur_lowers_sharpness_and_the_finest_band():
    sharp, blurred = described(noisy(25)), described(noisy(25, blur=1.5))
    assert blurred["laplacian"] < sharp["laplacian"] - 1
    assert blurred["band_4"] < sharp["band_4"] - 1 and blurred["band_0"] > sharp["band_0"]


def test_the_spectrum_of_a_wave_lies_in_its_band():
    wave = 128 + 80 * np.sin(2 * np.pi * np.arange(SIZE) * 0.3)[None] * np.ones((SIZE, 1))
    found = described(wave.astype(np.uint8))
    bands = {name: value for name, value in found.items() if name.startswith("band")}
    assert max(bands, key=bands.__getitem__) == "band_3"  # 0.25 to 0.354 cycles a pixel
    assert np.exp(bands["band_3"]) > 0.95


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_an_image_of_one_grey_has_finite_descriptors(grey):
    assert np.isfinite(describe_image(np.full((SIZE, SIZE), grey, np.uint8))).all()


def test_some_images_of_many_are_described():
    rng = np.random.default_rng(2)
    images = np.stack([made_slice(SIZE, number % 2 == 0, rng)[0] for number in range(4)])
    found = describe_images(images, np.array([2, 0]))
    np.testing.assert_array_equal(found, [describe_image(images[2]), describe_image(images[0])])
    assert describe_images(images, np.array([], int)).shape == (0, len(DESCRIPTORS))
    shown = field_of_view(describe_images(images, np.arange(4)))
    low, middle, high = shown["body_width"]
    assert 0.9 <= low <= middle <= high <= 1 and set(shown) > {"air_at_edge"}
