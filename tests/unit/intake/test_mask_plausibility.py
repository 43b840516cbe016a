"""Masks of lungs pass, whatever the disease; others are refused or get a note. On phantoms, whose lungs are known."""

import numpy as np
import pytest

from lungsight.demo.anatomy import Phantom, thorax
from lungsight.demo.lesions import DISEASES
from lungsight.errors import BadCase
from lungsight.intake import mask_plausibility as plausibility
from lungsight.intake.plausibility import settle
from lungsight.intake.volume import AcquisitionMetadata, Volume, Window

WINDOW = Window(-1250, 250)


def volume_of(hu: np.ndarray, window: Window = WINDOW) -> Volume:
    return Volume(window.encode(hu.copy()), window.max_code, np.eye(4), AcquisitionMetadata(hu_p50=0.0))


def phantom_of(disease: str, seed: int = 3) -> Phantom:
    return thorax(seed, matrix=96, slices=12, disease=disease)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return phantom_of("none")


@pytest.fixture(scope="module")
def volume(phantom: Phantom) -> Volume:
    return volume_of(phantom.hu)


def checked(labels: np.ndarray, volume: Volume) -> list[str]:
    return settle(plausibility.check_mask(volume, WINDOW, labels), "refuse")


@pytest.mark.parametrize("disease", DISEASES)
@pytest.mark.parametrize("seed", range(3))
def test_lungs_pass_whatever_the_disease(disease, seed):
    phantom = phantom_of(disease, seed)
    assert checked(phantom.lung.astype(np.uint8), volume_of(phantom.hu)) == []
    assert checked(phantom.lung_right + 2 * phantom.lung_left.astype(int), volume_of(phantom.hu)) == []


def test_a_white_lung_is_a_lung(phantom):
    """Half of both lungs consolidated: no refusal, since they are aerated elsewhere."""
    hu = phantom.hu.copy()
    middle = hu.shape[1] // 2
    hu[:, :middle][phantom.lung[:, :middle]] = 40
    (note,) = checked(phantom.lung.astype(int), volume_of(hu))
    assert note.startswith("only ") and "of the lung mask is aerated by its HU" in note


def lobes_of(phantom: Phantom) -> np.ndarray:
    """Five labels: the right lung in three parts from feet to head, the left one in two."""
    k = np.arange(phantom.lung.shape[2])
    return phantom.lung_right * np.clip(1 + k // 4, 1, 3) + phantom.lung_left * np.clip(4 + k // 6, 4, 5)


@pytest.mark.parametrize("hu_of_white", [40, -200])
def test_right_masks_of_sick_lungs_are_taken(phantom, hu_of_white):
    """One white lung, one lobe, three of five lobes, both lungs, in all ways to label them: at most a note."""
    whole, sides, lobes = phantom.lung.astype(int), phantom.lung_right + 2 * phantom.lung_left, lobes_of(phantom)
    for sick in (phantom.lung_left, lobes == 4, np.isin(lobes, (1, 3, 4)), phantom.lung):
        hu = phantom.hu.copy()
        hu[sick] = hu_of_white
        for labels in (whole, sides, lobes):
            notes = checked(labels, volume_of(hu))
            assert notes and all("soft tissue" in note or "of the lung mask is aerated" in note for note in notes)


def test_a_white_lung_in_a_picture_that_shows_nothing_around_the_lungs_is_taken(phantom):
    hu = np.where(phantom.lung, phantom.hu, -1000)
    checked(phantom.lung.astype(int), volume_of(hu))
    hu[phantom.lung_left] = 40
    checked(phantom.lung + phantom.lung_left.astype(int), volume_of(hu))


def test_organs_beside_the_lungs_are_refused_if_they_are_most_labels(phantom, volume):
    soft = (phantom.hu > -100) & ~phantom.lung
    organs = np.zeros(soft.shape, int)
    for organ in range(2, 9):
        organs[:, 11 * organ - 10 : 11 * organ - 4] = organ
    organs *= soft
    (note, *_) = checked(phantom.lung + 2 * (organs == 5), volume)
    assert note == "of the lung mask's labels label 2 lies on soft tissue"
    for wanted in ((4, 5, 6), range(2, 9)):
        with pytest.raises(BadCase, match="lie on soft tissue by the HU"):
            checked(phantom.lung + np.where(np.isin(organs, wanted), organs, 0), volume)


def test_the_share_is_that_of_the_voxels_between_air_and_tissue():
    hu = np.array([-1000, -985, -850, -300, -299, 40], np.float32).reshape(6, 1, 1)
    aerated = plausibility.aerated_voxels(volume_of(hu), WINDOW)
    assert aerated is not None and aerated.ravel().tolist() == [False, True, True, True, False, False]


@pytest.mark.parametrize("window", [Window(-160, 240), Window(-1400, -500)])
def test_hu_that_the_window_cuts_off_say_nothing(phantom, window):
    volume = volume_of(phantom.hu, window)
    assert plausibility.check_mask(volume, window, phantom.lung_left.astype(int)) == []


def test_values_that_are_no_hu_say_nothing(phantom, volume):
    unknown = Volume(volume.voxels, volume.max_code, volume.affine, AcquisitionMetadata())
    assert plausibility.check_mask(unknown, WINDOW, phantom.lung_left.astype(int)) == []


def test_masks_of_anything_else_are_refused(phantom, volume):
    hu, lung = phantom.hu, phantom.lung
    body = (hu > -300) | lung
    heart = np.zeros_like(lung)
    heart[40:52, 50:60, 3:9] = True
    heart &= hu > -100
    for labels, reason in [
        (~lung, "more than half of the image"),
        (body, "more than half of the"),
        (body & ~lung, "more than half of the body's soft tissue"),
        (heart, "no lung by its HU: 0% of it is aerated"),
        (np.flip(lung, 0) & ~lung & (hu > -300), "no lung by its HU"),
        (lung + 3 * (body & ~lung & ~heart) + 51 * heart, "more than half of the body's soft tissue"),
        (np.where(lung, np.arange(96)[:, None, None], 0), "labels, and all above 0 would count as lung"),
    ]:
        with pytest.raises(BadCase, match=reason):
            checked(labels.astype(int), volume)


def test_a_small_label_on_soft_tissue_gets_a_note(phantom):
    tumour = phantom_of("tumour")
    labels = tumour.lung + tumour.lesion.astype(int)
    assert checked(labels, volume_of(tumour.hu)) == ["of the lung mask's labels label 2 lies on soft tissue"]


@pytest.mark.parametrize(("axis", "way"), [(1, "front and back"), (2, "head and feet")])
def test_a_mask_that_is_turned_over_gets_a_note(phantom, volume, axis, way):
    notes = checked(np.flip(phantom.lung, axis).astype(int), volume)
    assert any(note.startswith(f"by its HU the lung mask is turned over: {way} swapped") for note in notes)


def test_the_mask_of_another_patient_gets_a_note(volume):
    other = thorax(9, matrix=96, slices=12).lung
    shifted = np.roll(other, 12, axis=1)
    (note, *_) = checked(shifted.astype(int), volume)
    assert note.startswith("only ")


def test_one_lung_alone_gets_a_note(phantom, volume):
    assert checked(phantom.lung_left.astype(int), volume) == ["the lung mask lies on one side of the body alone"]
    assert checked(phantom.lung_right.astype(int), volume) == ["the lung mask lies on one side of the body alone"]


def test_a_mask_that_misses_part_of_a_lung_gets_a_note(phantom, volume):
    k = np.arange(phantom.lung.shape[2])
    upper, shifted = phantom.lung & (k > 6), np.roll(phantom.lung, 2, axis=2) & (k > 2)
    half_left = phantom.lung & ~(phantom.lung_left & (k < 6))
    for mask in (upper, half_left, shifted):
        notes = checked(mask.astype(int), volume)
        assert any("of the aerated tissue of a lung: look whether it is whole" in note for note in notes)


def test_coverage_counts_the_parts_that_are_touched():
    aerated = np.zeros((20, 20, 1), bool)
    aerated[:10, :10] = aerated[15:, 15:] = True
    mask = aerated.copy()
    assert plausibility.coverage(aerated, mask) == 1
    mask[15:, 15:] = False
    assert plausibility.coverage(aerated, mask) == 1
    mask[:5] = False
    assert plausibility.coverage(aerated, mask) == 0.5
    mask[15, 15:17] = True
    assert plausibility.coverage(aerated, mask) == 52 / 125
    assert plausibility.coverage(aerated, np.zeros_like(mask)) == 1


def test_gaps_are_the_empty_slices_between():
    assert plausibility.gaps(np.array([0, 3, 0, 0, 1, 2, 0])).tolist() == [2, 3]
    assert plausibility.gaps(np.zeros(4)).tolist() == plausibility.gaps(np.array([0, 1, 1])).tolist() == []


def test_a_mask_with_gaps_is_refused(phantom, volume):
    every_other = phantom.lung.copy()
    every_other[:, :, 1::2] = False
    with pytest.raises(BadCase, match="empty on 4 of the slices between its first and its last"):
        checked(every_other.astype(int), volume)
    with pytest.raises(BadCase, match="left lung is empty on 2"):
        holed = phantom.lung_left.copy()
        holed[:, :, 5:7] = False
        plausibility.check_gaps(holed, "left lung")


@pytest.mark.parametrize("side", ["lung_left", "lung_right"])
def test_a_gap_in_one_lung_of_both_is_refused(phantom, volume, side):
    mask = phantom.lung.copy()
    mask[:, :, 5:7] &= ~getattr(phantom, side)[:, :, 5:7]
    with pytest.raises(BadCase, match="one lung of the mask is empty"):
        checked(mask.astype(int), volume)


def test_a_lung_may_taper_off_and_come_back(phantom, volume):
    mask = phantom.lung.copy()
    near = np.argwhere(phantom.lung_left[:, :, 6])[0]
    mask[:, :, 5:8] &= ~phantom.lung_left[:, :, 5:8]
    mask[near[0], near[1], 5] = mask[near[0], near[1], 7] = True
    (note,) = checked(mask.astype(int), volume)  # of this patient, it is half of the lung
    assert "look whether it is whole" in note


def test_lungs_may_fill_a_picture_that_was_cropped_to_them(phantom):
    box = np.argwhere(phantom.lung_left[:, :, 5])
    cut = tuple(slice(low + 4, high - 4) for low, high in zip(box.min(axis=0), box.max(axis=0), strict=True))
    hu, lung = phantom.hu[cut], phantom.lung[cut]
    assert lung[:, :, 4:7].mean() > 0.5
    checked(lung[:, :, 4:7].astype(int), volume_of(hu[:, :, 4:7]))
    with pytest.raises(BadCase, match="more than half"):
        plausibility.check_mask(volume_of(hu[:, :, 4:7]), None, lung[:, :, 4:7].astype(int))
