"""An Enhanced CT is read frame by frame, by the rules of any other series."""

import numpy as np
import pytest

from tests.factories.dicom import converted, made_enhanced, made_hu, made_series, refusal, save_series

RIGHT = ((np.clip(made_hu(), -1250, 250) + 1250) / 1500).transpose(2, 1, 0)[::-1, ::-1]


def changed(folder, change):
    """Save an Enhanced CT after a change of it."""
    enhanced = made_enhanced(made_series())
    change(enhanced)
    return save_series(folder, [enhanced])


def group(enhanced, frame, name):
    return enhanced.PerFrameFunctionalGroupsSequence[frame][name][0]


def test_frames_in_any_order_have_hu_and_affine_of_the_series(tmp_path):
    order = [3, 0, 7, 1, 5, 2, 6, 4]
    datasets = made_series()
    volume = converted(save_series(tmp_path / "enhanced", [made_enhanced([datasets[k] for k in order])]))
    plain = converted(save_series(tmp_path / "plain", datasets))
    np.testing.assert_allclose(volume.voxels / volume.max_code, RIGHT, atol=1e-12)
    np.testing.assert_allclose(volume.affine, plain.affine, atol=1e-9)
    assert volume.frame_of_reference == plain.frame_of_reference
    assert volume.acquisition.slice_thickness == 2.0


def test_every_frame_has_a_rescale_of_its_own(tmp_path):
    datasets = [made_series(intercept=-1024.0 - 10 * k)[k] for k in range(8)]
    volume = converted(save_series(tmp_path, [made_enhanced(datasets)]))
    np.testing.assert_allclose(volume.voxels / volume.max_code, RIGHT, atol=1e-12)


def test_a_concatenation_is_joined_and_a_part_of_one_refused(tmp_path):
    datasets = made_series()
    parts = [made_enhanced(datasets[:3], part=(1, 2)), made_enhanced(datasets[3:], part=(2, 2))]
    volume = converted(save_series(tmp_path / "whole", parts[::-1]))
    np.testing.assert_allclose(volume.voxels / volume.max_code, RIGHT, atol=1e-12)
    assert "1 of 2 are here" in refusal(save_series(tmp_path / "second", parts[1:]))


def test_two_enhanced_files_of_one_series_are_no_scan(tmp_path):
    datasets = made_series()
    folder = save_series(tmp_path, [made_enhanced(datasets), made_enhanced(made_series(made_hu(seed=3)))])
    assert "one series in several multi-frame files" in refusal(folder)


CHANGES = {
    "RescaleSlope (0028,1053) is missing (file 1, frame 3)": lambda enhanced: enhanced.PerFrameFunctionalGroupsSequence[
        2
    ].pop("PixelValueTransformationSequence"),
    "ImagePositionPatient (0020,0032) is missing (file 1, frame 1)": lambda enhanced: [
        frame.pop("PlanePositionSequence") for frame in enhanced.PerFrameFunctionalGroupsSequence
    ],
    "RescaleType (0028,1054) says that the values are not in HU (file 1, frame 5)": lambda enhanced: setattr(
        group(enhanced, 4, "PixelValueTransformationSequence"), "RescaleType", "Z_EFF"
    ),
    "8, but 7 frames are described": lambda enhanced: enhanced.PerFrameFunctionalGroupsSequence.pop(),
    "tilted gantry": lambda enhanced: [
        setattr(group(enhanced, k, "PlanePositionSequence"), "ImagePositionPatient", [-11.5, -23.25 + k, 100 + 2 * k])
        for k in range(8)
    ],
    "a slice is missing": lambda enhanced: [
        setattr(group(enhanced, k, "PlanePositionSequence"), "ImagePositionPatient", [-11.5, -23.25, 102 + 2 * k])
        for k in range(4, 8)
    ],
    "apart, as in no CT": lambda enhanced: [
        setattr(group(enhanced, k, "PlanePositionSequence"), "ImagePositionPatient", [-11.5, -23.25, k / 400])
        for k in range(8)
    ],
    "frames 1 and 2 of file 1 have one position": lambda enhanced: setattr(
        group(enhanced, 1, "PlanePositionSequence"), "ImagePositionPatient", [-11.5, -23.25, 100]
    ),
    "truncated": lambda enhanced: setattr(enhanced, "PixelData", enhanced.PixelData[:2000]),
}


@pytest.mark.parametrize("named", CHANGES)
def test_a_fault_of_a_frame_is_named(tmp_path, named):
    assert named in refusal(changed(tmp_path, CHANGES[named]))


def test_modified_hu_of_a_frame_are_noted(tmp_path):
    folder = changed(
        tmp_path,
        lambda enhanced: setattr(group(enhanced, 0, "PixelValueTransformationSequence"), "RescaleType", "HU_MOD"),
    )
    assert any("HU_MOD" in note for note in converted(folder).notes)
