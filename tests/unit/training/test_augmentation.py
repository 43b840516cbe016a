"""Augmentation on images: exact flips, rotation and fill against SciPy, intensities that do not drift."""

import numpy as np
import pytest
from scipy import ndimage

from lungsight.training.augmentation import (
    augment,
    draw_augmentation,
    generator,
    no_augmentation,
    transforms_about_centre,
)

SIZE = 24
EVERYTHING = {"horizontal_flip": True, "vertical_flip": True, "rotation": 10, "brightness": [0.2, 1.0]}
NOTHING = {"horizontal_flip": False, "vertical_flip": False, "rotation": 0, "brightness": [1.0, 1.0]}


def images(n: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, SIZE, SIZE), dtype=np.uint8)


def moved(image: np.ndarray, horizontal: float, vertical: float, degrees: float) -> np.ndarray:
    signs = np.array([horizontal]), np.array([vertical])
    transforms = transforms_about_centre(*signs, np.deg2rad([degrees]), SIZE)
    return augment(image[None], transforms, np.ones(1, np.float32)).numpy()[0]


def test_without_any_augmentation_an_image_stays_as_it_is() -> None:
    drawn = draw_augmentation(generator(1, 1, 1, 1), 4, SIZE, NOTHING)
    np.testing.assert_allclose(augment(images(), *drawn).numpy(), images(), atol=1e-3)
    np.testing.assert_array_equal(augment(images(), *no_augmentation(4)).numpy(), images())


def test_flips_are_exact() -> None:
    image = images(1)[0]
    np.testing.assert_allclose(moved(image, -1, 1, 0), image[:, ::-1], atol=1e-3)
    np.testing.assert_allclose(moved(image, 1, -1, 0), image[::-1], atol=1e-3)


@pytest.mark.parametrize("degrees", [-10, 4, 10])
def test_rotation_equals_scipy_with_nearest_fill(degrees: float) -> None:
    smooth = ndimage.gaussian_filter(images(1)[0].astype(float), 1)
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    matrix = np.array([[cosine, sine], [-sine, cosine]])  # of (row, column)
    centre = np.full(2, (SIZE - 1) / 2)
    expected = ndimage.affine_transform(smooth, matrix, centre - matrix @ centre, order=1, mode="nearest")
    np.testing.assert_allclose(moved(smooth, 1, 1, degrees), expected, atol=0.05)


def test_brightness_is_a_factor_within_its_range() -> None:
    drawn = draw_augmentation(generator(1, 1, 1, 1), 2000, SIZE, NOTHING | {"brightness": [0.2, 1.0]})
    assert 0.2 <= drawn.brightness.min() < 0.25
    assert 0.95 < drawn.brightness.max() <= 1.0
    first = drawn.transforms[:4], drawn.brightness[:4]
    expected = images() * drawn.brightness[:4, None, None]
    np.testing.assert_allclose(augment(images(), *first).numpy(), expected, atol=1e-2)


def test_a_factor_above_one_saturates() -> None:
    transforms, _ = no_augmentation(4)
    bright = augment(images(), transforms, np.full(4, 2, np.float32)).numpy()
    np.testing.assert_array_equal(bright, np.minimum(images() * 2.0, 255))


def test_half_of_the_images_is_flipped_and_angles_fill_their_range() -> None:
    transforms = draw_augmentation(generator(1, 1, 1, 1), 2000, SIZE, EVERYTHING).transforms
    assert np.mean(transforms[:, 0] < 0) == pytest.approx(0.5, abs=0.05)
    assert np.mean(transforms[:, 4] < 0) == pytest.approx(0.5, abs=0.05)
    degrees = np.rad2deg(np.arcsin(np.abs(transforms[:, 1])))
    assert 9.5 < degrees.max() <= 10.001


def test_draws_depend_on_the_place_in_the_training_and_not_on_what_is_enabled() -> None:
    first = draw_augmentation(generator(7, 1, 2, 3), 8, SIZE, EVERYTHING)
    again = draw_augmentation(generator(7, 1, 2, 3), 8, SIZE, EVERYTHING)
    other = draw_augmentation(generator(7, 1, 2, 4), 8, SIZE, EVERYTHING)
    unflipped = draw_augmentation(generator(7, 1, 2, 3), 8, SIZE, EVERYTHING | {"vertical_flip": False})
    np.testing.assert_array_equal(first.transforms, again.transforms)
    assert (first.brightness != other.brightness).all()
    np.testing.assert_array_equal(first.brightness, unflipped.brightness)
