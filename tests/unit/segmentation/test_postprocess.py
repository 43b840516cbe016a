"""Masks are corrected: single steps by hand, and phantoms with known airways and lungs."""

import numpy as np
import pytest

from lungsight.demo.anatomy import thorax
from lungsight.segmentation.agreement import dice
from lungsight.segmentation.postprocess import fill_slices, keep_largest, postprocess, without_airways
from tests.factories.tables import disc

SIZE = 96
SPACING = (3.5, 3.5, 8.0)


def slab(*planes: np.ndarray) -> np.ndarray:
    return np.stack(planes, axis=-1)


def test_largest_pieces_of_a_volume_are_kept() -> None:
    left, right, speck = (
        disc(SIZE, 0.5, 0.3, 0.2, 0.1),
        disc(SIZE, 0.5, 0.7, 0.2, 0.1),
        disc(SIZE, 0.1, 0.1, 0.03, 0.03),
    )
    mask = slab(left | right, left | right | speck, left | speck)
    kept = slab(left | right, left | right, left)
    np.testing.assert_array_equal(keep_largest(mask, 2), kept)
    np.testing.assert_array_equal(keep_largest(mask, 3), mask)
    np.testing.assert_array_equal(keep_largest(kept, 1), slab(left, left, left))
    assert not keep_largest(mask & False, 2).any()


def test_holes_of_a_slice_are_filled() -> None:
    lung, hole = disc(SIZE, 0.5, 0.5, 0.3, 0.3), disc(SIZE, 0.5, 0.5, 0.1, 0.1)
    np.testing.assert_array_equal(fill_slices(slab(lung & ~hole, lung)), slab(lung, lung))


def test_nothing_is_corrected_by_default() -> None:
    mask = np.random.default_rng(1).random((9, 8, 3)) < 0.5
    np.testing.assert_array_equal(postprocess(mask, mask.astype(np.float32), None), mask)


def phantom(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[float, float, float]]:
    """(windowed volume, true lungs, air of trachea and main bronchi, spacing)."""
    patient = thorax(seed=seed, matrix=192, slices=16, scanner="alpha", disease="covid")
    air = (patient.hu < -800) & ~patient.lung
    middle = np.zeros_like(air)
    middle[70:122, 60:110, 8:] = True  # inside the body, around the midline, above the stomach's gas
    return np.clip((patient.hu + 1250) / 1500, 0, 1).astype(np.float32), patient.lung, air & middle, patient.spacing


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_airways_are_removed_and_lungs_stay(seed: int) -> None:
    volume, lungs, airways, spacing = phantom(seed)
    assert airways.sum() > 100
    corrected = without_airways(lungs | airways, volume, spacing)
    assert (corrected & airways).sum() < 0.1 * airways.sum()
    assert (corrected & lungs).sum() > 0.999 * lungs.sum()
    assert dice(corrected, lungs) > dice(lungs | airways, lungs)


def test_all_options_together_restore_a_spoilt_mask() -> None:
    volume, lungs, airways, spacing = phantom(4)
    rng = np.random.default_rng(1)
    spoilt = (lungs & (rng.random(lungs.shape) > 0.05)) | airways
    spoilt[2:6, 2:6, 4:7] = True  # a piece in the air beside the patient
    corrected = postprocess(
        spoilt, volume, spacing, remove_airways=True, largest_components=2, fill_holes=True
    )  # fmt: skip
    assert dice(corrected, lungs) > 0.99 and dice(spoilt, lungs) < 0.98
    assert not corrected[2:6, 2:6].any()
