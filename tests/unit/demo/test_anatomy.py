"""Check that phantom patients agree with what is known about anatomy."""

import numpy as np
import pytest
from scipy import ndimage

from lungsight.demo.anatomy import Phantom, thorax
from lungsight.demo.scanner import MARK_HU, PADDING_HU, SCANNERS


@pytest.fixture(scope="module")
def healthy() -> Phantom:
    return thorax(seed=5, matrix=128, slices=24, scanner="alpha", disease="none")


@pytest.fixture(scope="module")
def covid() -> Phantom:
    return thorax(seed=6, matrix=128, slices=14, scanner="alpha", disease="covid")


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * (first & second).sum() / (first.sum() + second.sum())


def position(mask: np.ndarray, phantom: Phantom) -> np.ndarray:
    """Centre of a mask in RAS mm."""
    return (phantom.affine @ [*ndimage.center_of_mass(mask), 1])[:3]


def test_shapes_types_and_geometry(healthy):
    assert healthy.hu.shape == (128, 128, 24) and healthy.hu.dtype == np.float32
    for name in ("lung_left", "lung_right", "lesion", "cord"):
        mask = getattr(healthy, name)
        assert mask.shape == healthy.hu.shape and mask.dtype == bool
    assert healthy.spacing[:2] == (3.0, 3.0)
    assert healthy.spacing[2] * 24 == pytest.approx(290, abs=40)
    assert not (healthy.lung_left & healthy.lung_right).any()


def test_left_is_left_and_the_spine_is_posterior(healthy):
    left, right = position(healthy.lung_left, healthy), position(healthy.lung_right, healthy)
    assert left[0] < -40 and right[0] > 40
    assert position(healthy.cord, healthy)[1] < left[1] - 30
    # The liver lies below the right lung, and its dome is the higher one: soft tissue under the right lung's middle.
    assert healthy.lung_right.any(axis=(0, 1)).sum() >= healthy.lung_left.any(axis=(0, 1)).sum() - 1


def test_the_lung_mask_is_what_a_threshold_finds(healthy):
    """Compare with another method: dark voxels inside the body, near the lungs."""
    body = np.zeros_like(healthy.lung)
    for k in range(healthy.hu.shape[2]):
        labels, _ = ndimage.label(healthy.hu[:, :, k] > -300)
        largest = np.argmax(np.bincount(labels.ravel())[1:]) + 1
        body[:, :, k] = ndimage.binary_fill_holes(labels == largest)
    dark = body & (healthy.hu < -450) & ndimage.binary_dilation(healthy.lung, iterations=4)
    dark = ndimage.binary_closing(dark, iterations=2)
    assert dice(dark, healthy.lung) > 0.94


def test_hounsfield_units_of_tissues(healthy):
    lung = ndimage.binary_erosion(healthy.lung, np.ones((5, 5, 1)))
    assert -890 < np.median(healthy.hu[lung]) < -780
    front, back = np.array_split(np.flatnonzero(lung.any(axis=(0, 2))), 2)[::-1]
    middle = [np.median(healthy.hu[:, rows][lung[:, rows]]) for rows in (front, back)]
    assert 15 < middle[1] - middle[0] < 120, "the back of the lungs is denser"
    soft = healthy.hu[(healthy.hu > 0) & (healthy.hu < 100)]
    assert 30 < np.median(soft) < 65
    fat = healthy.hu[(healthy.hu > -150) & (healthy.hu < -60)]
    assert -115 < np.median(fat) < -85
    assert 0.002 < (healthy.hu > 250).mean() < 0.03, "bone"
    assert abs(np.median(healthy.hu[:, -6:]) + 1000) < 8, "air in front"


def test_the_trachea_is_air_outside_the_lung_mask(healthy):
    """Above its bifurcation the airway is a disc of air near the midline, of about 230 mm², outside the mask."""
    half = healthy.hu.shape[0] // 2
    window = (slice(half - 8, half + 8), slice(half - 14, half + 8))
    for k in np.flatnonzero(healthy.lung.any(axis=(0, 1)))[-4:]:
        lung = ndimage.binary_dilation(healthy.lung[:, :, k])[window]
        airway = (healthy.hu[:, :, k][window] < -600) & ~lung
        assert 120 < airway.sum() * 9 < 340
        assert healthy.hu[:, :, k][window][airway].min() < -950


def test_scan_reaches_below_and_above_the_lungs(healthy):
    with_lung = np.flatnonzero(healthy.lung.any(axis=(0, 1)))
    assert 0 < with_lung[0] <= 5 and 24 - 5 <= with_lung[-1] < 23


def test_anatomy_is_smooth_along_the_body(healthy):
    area = healthy.lung.sum(axis=(0, 1))
    pairs = [k for k in range(23) if min(area[k], area[k + 1]) > 0.5 * area.max()]
    assert len(pairs) >= 8
    assert min(dice(healthy.lung[:, :, k], healthy.lung[:, :, k + 1]) for k in pairs) > 0.8, "12 mm apart"


def test_without_disease_there_is_no_lesion(healthy):
    assert not healthy.lesion.any()


def test_covid_is_peripheral_posterior_bilateral_and_on_most_slices(covid):
    lung, lesion = covid.lung, covid.lesion
    assert (lesion <= lung).all()
    assert lesion[covid.lung_left].any() and lesion[covid.lung_right].any()
    shows = lung.sum(axis=(0, 1)) > 0.3 * lung.sum(axis=(0, 1)).max()
    assert lesion.any(axis=(0, 1))[shows].mean() > 0.7
    assert 0.02 < lesion.sum() / lung.sum() < 0.35
    assert position(lesion, covid)[1] < position(lung, covid)[1] - 10, "behind"
    depth = ndimage.distance_transform_edt(lung, sampling=(*covid.spacing[:2], 1e6))
    assert depth[lesion].mean() < 0.85 * depth[lung & ~lesion].mean(), "near the pleura"


def test_covid_is_ground_glass_with_some_consolidation(covid):
    values = covid.hu[covid.lesion]
    assert -620 < np.median(values) < -200
    assert ((values > -700) & (values < -250)).mean() > 0.3
    assert 0.02 < (values > -100).mean() < 0.5


@pytest.mark.parametrize(("disease", "size"), [("nodule", (8, 30)), ("tumour", (20, 60))])
def test_a_mass_is_one_solid_piece_in_a_lung(disease, size):
    for seed in (1, 2, 3):
        phantom = thorax(seed, 128, 14, "alpha", disease)
        labels, _ = ndimage.label(phantom.lesion, np.ones((3, 3, 3)))
        pieces = np.bincount(labels.ravel())[1:]
        assert pieces.max() > 0.8 * pieces.sum()
        widest = phantom.lesion.sum(axis=(0, 1)).max() * 9
        assert size[0] < 2 * np.sqrt(widest / np.pi) < size[1]
        core = ndimage.binary_erosion(phantom.lesion, np.ones((3, 3, 1)))
        assert -60 < np.median(phantom.hu[core]) < 90


def test_a_seed_decides_the_patient():
    first, again, other = (thorax(seed, 96, 6) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.hu, again.hu)
    assert dice(first.lung, other.lung) < 0.95
    assert np.corrcoef(first.hu.ravel(), other.hu.ravel())[0, 1] < 0.98


def test_disease_does_not_change_the_person():
    healthy, ill = thorax(8, 96, 8, disease="none"), thorax(8, 96, 8, disease="covid")
    np.testing.assert_array_equal(healthy.lung, ill.lung)
    away = ~ndimage.binary_dilation(ill.lung, np.ones((9, 9, 1)))
    np.testing.assert_array_equal(healthy.hu[away], ill.hu[away])


def test_a_mark_changes_its_own_voxels_only():
    plain, marked = thorax(9, 96, 6), thorax(9, 96, 6, mark=True)
    changed = plain.hu != marked.hu
    assert (marked.hu[changed] == MARK_HU).all()
    assert 4 <= changed.any(axis=2).sum() < 60 and (changed.any(axis=2) == changed.all(axis=2)).all()
    for scanner in SCANNERS:
        for seed in range(2):
            phantom = thorax(seed, 96, 3, scanner)
            there = thorax(seed, 96, 3, scanner, mark=True).hu == MARK_HU
            assert np.median(phantom.hu[there]) < -950, "in the air outside the body"
            assert not (there & phantom.lung).any() and there.any()


def test_scanners_differ_in_grid_noise_and_padding():
    alpha, beta = thorax(4, 96, 8, "alpha"), thorax(4, 96, 8, "beta")
    assert alpha.spacing[0] != beta.spacing[0] and alpha.spacing[2] != beta.spacing[2]
    air = (slice(40, 56), slice(-8, -2))
    assert beta.hu[air].std() > 1.5 * alpha.hu[air].std()
    assert (beta.hu == PADDING_HU).any() and not (alpha.hu == PADDING_HU).any()


def test_lungs_only_shows_both_lungs_on_every_slice():
    phantom = thorax(11, 96, 5, "gamma", "covid", lungs_only=True)
    assert phantom.lung_left.any(axis=(0, 1)).all() and phantom.lung_right.any(axis=(0, 1)).all()
    assert (phantom.lung.mean(axis=(0, 1)) > 0.03).all()


def test_an_unknown_disease_is_named():
    with pytest.raises(ValueError, match="'flu' is none of none, nodule, covid, tumour"):
        thorax(1, disease="flu")
