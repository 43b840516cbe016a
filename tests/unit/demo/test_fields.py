"""Compare shapes and random fields with formulas."""

import numpy as np
import pytest

from lungsight.demo.fields import (
    Waves,
    band_noise,
    capsule,
    coverage,
    ellipse,
    smooth_max,
    smooth_min,
    smooth_step,
    superellipse,
)


def test_ellipse_is_exact_on_its_axes_and_turns():
    assert ellipse(13.0, 0.0, (0, 0), (10, 4)) == pytest.approx(3.0, abs=1e-4)
    assert ellipse(0.0, 3.0, (0, 0), (10, 4)) == pytest.approx(-1.0, abs=1e-4)
    assert ellipse(0.0, 12.0, (0, 0), (10, 4), angle=np.pi / 2) == pytest.approx(2.0, abs=1e-4)


def test_superellipse_with_exponent_two_is_a_circle():
    x, y = np.array([3.0, 0.0, 6.0]), np.array([4.0, 2.0, 8.0])
    np.testing.assert_allclose(superellipse(x, y, 7.0, 7.0, 2.0), np.hypot(x, y) - 7)


def test_capsule_measures_to_the_segment():
    x, y = np.array([5.0, -3.0, 12.0]), np.array([2.0, 4.0, 0.0])
    np.testing.assert_allclose(capsule(x, y, (0, 0), (10, 0), 1.0), [1.0, 4.0, 1.0])


def test_coverage_of_a_disc_sums_to_its_area():
    x, y = np.meshgrid(np.arange(-30, 30, 2.0) + 0.3, np.arange(-30, 30, 2.0) - 0.4, indexing="ij")
    area = coverage(np.hypot(x, y) - 17.3, 2.0).sum() * 4
    assert area == pytest.approx(np.pi * 17.3**2, rel=0.01)


def test_smooth_minimum_equals_the_minimum_away_from_the_seam():
    first, second = np.array([0.0, 20.0, 3.0]), np.array([20.0, 0.0, 3.0])
    np.testing.assert_allclose(smooth_min(first, second, 4.0), [0, 0, 2])
    np.testing.assert_allclose(smooth_max(first, second, 4.0), [20, 20, 4])
    assert smooth_step(0, 2, np.array([-1.0, 1.0, 3.0])).tolist() == [0, 0.5, 1]


def test_waves_on_a_grid_equal_waves_at_its_points():
    waves = Waves.draw(np.random.default_rng(0), (10, 30), 48)
    x, y = np.arange(-80, 80, 2.0), np.arange(-60, 60, 2.0)
    points = np.stack(np.broadcast_arrays(x[:, None], y[None, :], 7.0), axis=-1)
    field = waves.on_grid(x, y, 7.0)
    np.testing.assert_allclose(field, waves.at(points), atol=1e-5)
    assert abs(field.mean()) < 0.15 and field.std() == pytest.approx(1, abs=0.15)


def test_waves_stretched_along_z_change_slowly_there():
    waves = Waves.draw(np.random.default_rng(0), (10, 30), 200, along_z=10)
    x = np.arange(-80, 80, 2.0)
    here, above, beside = waves.on_grid(x, x, 0.0), waves.on_grid(x, x, 6.0), waves.on_grid(x + 6, x, 0.0)
    assert np.corrcoef(here.ravel(), above.ravel())[0, 1] > 0.95 > np.corrcoef(here.ravel(), beside.ravel())[0, 1]


def test_band_noise_has_its_spectrum_and_unit_variance():
    noise = band_noise(np.random.default_rng(0), (128, 96), peak=0.25, width=0.04)
    assert noise.std() == pytest.approx(1)
    power = np.abs(np.fft.fft2(noise)) ** 2
    frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(96)[None, :])
    assert (power * frequency).sum() / power.sum() == pytest.approx(0.25, abs=0.01)
