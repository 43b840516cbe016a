"""Phases that only a tag besides time and number tells apart are several acquisitions; a usual series is one."""

import numpy as np
import pydicom
import pytest

from tests.factories.dicom import converted, made_enhanced, made_hu, made_series, refusal, save_series


def labelled(keyword, values):
    datasets = made_series(made_hu(n=len(values), columns=64))
    for dataset, value in zip(datasets, values, strict=True):
        if value is not None:
            setattr(dataset, keyword, value)
    return datasets


PHASES = {
    "KVP": (80, 140),
    "ContrastBolusAgent": (None, "a mixture"),
    "SliceThickness": (2.0, 3.0),
    "ImageType": (["ORIGINAL", "PRIMARY", "AXIAL", "PHASE_1"], ["ORIGINAL", "PRIMARY", "AXIAL", "PHASE_2"]),
    "TriggerTime": (100, 700),
    "NominalPercentageOfCardiacPhase": (40.0, 75.0),
    "TemporalPositionIdentifier": (1, 2),
}


@pytest.mark.parametrize("passes", [2, 3])
@pytest.mark.parametrize("keyword", PHASES)
def test_phases_that_alternate(tmp_path, keyword, passes):
    phases = (*PHASES[keyword], PHASES[keyword][1])[:passes]
    said = refusal(save_series(tmp_path, labelled(keyword, [phases[k % passes] for k in range(24)])))
    assert said.startswith(f"{ {2: 'two', 3: 'three'}[passes] } acquisitions are interleaved: {keyword} (")
    assert "mixture" not in said and "PHASE" not in said


@pytest.mark.parametrize("keyword", PHASES)
def test_a_value_that_changes_here_and_there_is_no_phase(tmp_path, keyword):
    first, second = PHASES[keyword]
    values = np.array([0] * 24)
    values[[3, 4, 11, 17, 18, 20]] = 1
    datasets = labelled(keyword, [(first, second)[k] for k in values])
    assert converted(save_series(tmp_path, datasets)).voxels.shape[2] == 24


def test_a_second_phase_laid_behind_the_first(tmp_path):
    first = made_hu(n=10)
    planes = np.concatenate([first, first[:6] + np.random.default_rng(4).integers(-8, 9, first[:6].shape)])
    datasets = made_series(planes)
    for dataset in datasets[10:]:
        dataset.ContrastBolusAgent = "a mixture"
    assert refusal(save_series(tmp_path, datasets)).startswith("two acquisitions are laid end to end")


def enhanced(group, keyword, values):
    made = made_enhanced(made_series(made_hu(n=24, columns=64)))
    for frame, value in zip(made.PerFrameFunctionalGroupsSequence, values, strict=True):
        item = pydicom.Dataset()
        setattr(item, keyword, value)
        setattr(frame, group, [item])
    return made


FRAMES = {
    "NominalPercentageOfCardiacPhase": ("CardiacSynchronizationSequence", (40.0, 75.0)),
    "StackID": ("FrameContentSequence", ("1", "2")),
    "TemporalPositionIndex": ("FrameContentSequence", (1, 2)),
    "KVP": ("CTXRayDetailsSequence", (80.0, 140.0)),
    "FrameType": (
        "CTImageFrameTypeSequence",
        (["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], ["ORIGINAL", "PRIMARY", "VOLUME", "VMI"]),
    ),
}


@pytest.mark.parametrize("keyword", FRAMES)
def test_phases_of_an_enhanced_ct(tmp_path, keyword):
    group, phases = FRAMES[keyword]
    said = refusal(save_series(tmp_path / "two", [enhanced(group, keyword, phases * 12)]))
    assert said.startswith("two acquisitions are interleaved: ")
    one = enhanced(group, keyword, phases[:1] * 24)
    assert converted(save_series(tmp_path / "one", [one])).voxels.shape[2] == 24


@pytest.mark.parametrize(
    "word", ["EFF_ATOMIC_NUM", "ELECTRON_DENSITY", "MAT_SPECIFIC", "SUBTRACTION", "MAX_IP", "MIN_IP", "MEAN"]
)
def test_computed_frames(tmp_path, word):
    made = enhanced("CTImageFrameTypeSequence", "FrameType", [["DERIVED", "PRIMARY", "VOLUME", word]] * 24)
    assert "a projection, map or reformatted image among the frames" in refusal(save_series(tmp_path, [made]))


@pytest.mark.parametrize(
    "word", ["SUBTRACTION", "IODINE", "MAX_IP", "CT_SOM7 IODINE MAP", "EFF_ATOMIC_NUM", "MD_IODINE"]
)
def test_computed_slices(tmp_path, word):
    datasets = made_series()
    for dataset in datasets:
        dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL", word]
    assert refusal(save_series(tmp_path, datasets)).startswith("no CT slice; left out 8 × localizer")


@pytest.mark.parametrize("word", ["VMI", "MAT_REMOVED", "CT_SOM5 SPI", "GSI MONO", "MEANINGFUL", "DET_ABC LUNG"])
def test_images_that_are_hu_all_the_same(tmp_path, word):
    datasets = made_series()
    for dataset in datasets:
        dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL", word]
    assert converted(save_series(tmp_path, datasets)).voxels.shape[2] == 8
