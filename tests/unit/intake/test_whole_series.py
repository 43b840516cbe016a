"""One patient, one acquisition, and the whole of it: anything else is refused, without the name of anybody."""

import numpy as np
import pytest

from tests.factories.dicom import changed, converted, made_hu, made_series, refusal, save_series, uid


@pytest.mark.parametrize("one_series", [True, False])
@pytest.mark.parametrize(("keyword", "value"), [("PatientID", "MRN-4712"), ("PatientBirthDate", "19500607")])
def test_two_patients(tmp_path, one_series, keyword, value):
    datasets = changed(made_series(), range(8), PatientBirthDate="19400102")
    changed(datasets, range(4, 8), **{keyword: value})
    if not one_series:
        changed(datasets, range(4, 8), SeriesInstanceUID=uid("other"))
    said = refusal(save_series(tmp_path, datasets))
    assert said.startswith(f"the files belong to 2 patients: {keyword} (0010,00")
    assert "MRN" not in said and "19" not in said


def test_two_names_where_no_patient_has_an_id(tmp_path):
    datasets = changed(made_series(), range(8), PatientID="")
    changed(datasets, range(4, 8), PatientName="Roe^Richard")
    assert refusal(save_series(tmp_path, datasets)).startswith(
        "the files belong to 2 patients: PatientName (0010,0010)"
    )


def test_an_id_that_is_empty_or_padded_is_no_other_patient(tmp_path):
    datasets = made_series()
    changed(datasets, [1], PatientID="")
    changed(datasets, [2], PatientID="MRN-4711 ")
    assert converted(save_series(tmp_path, datasets)).notes == []


def test_two_frames_of_reference(tmp_path):
    datasets = changed(made_series(), range(5, 8), FrameOfReferenceUID=uid("other"))
    assert refusal(save_series(tmp_path, datasets)).startswith("FrameOfReferenceUID (0020,0052) changes")


def passes(number, slices=6, step=1.0):
    """Make passes through a phantom whose slices lie `number` × step apart in each and step apart in all."""
    planes = made_hu(n=slices * number)
    together = made_series(planes, step=step)
    return [together[place::number] for place in range(number)]


def labelled(parts, keyword, values):
    return [changed(part, range(len(part)), **{keyword: value}) for part, value in zip(parts, values, strict=True)]


@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.parametrize("keyword", ["AcquisitionNumber", "AcquisitionTime", "InstanceNumber", "each time"])
def test_interleaved_passes(tmp_path, number, keyword):
    parts = passes(number)
    for place, part in enumerate(parts):
        for index, dataset in enumerate(part):
            dataset.InstanceNumber = 1
            if keyword == "AcquisitionNumber":
                dataset.AcquisitionNumber = place + 1
            elif keyword == "AcquisitionTime":
                dataset.AcquisitionTime = f"10100{place}"
            elif keyword == "InstanceNumber":
                dataset.InstanceNumber = 1 + place * len(part) + index
            else:
                dataset.AcquisitionTime = f"10{10 + place}{index:02d}.5"
    said = refusal(save_series(tmp_path, [dataset for part in parts for dataset in part]))
    words = {2: "two", 3: "three", 4: "four"}[number]
    assert said.startswith(f"{words} acquisitions are interleaved: ")


def test_numbers_that_start_again(tmp_path):
    datasets = made_series(made_hu(n=12))
    for index, dataset in enumerate(datasets):
        dataset.InstanceNumber = 1 + index % 6
    assert "InstanceNumber (0020,0013) starts again" in refusal(save_series(tmp_path, datasets))


@pytest.mark.parametrize("number", [2, 3])
def test_passes_laid_end_to_end(tmp_path, number):
    """The lung of the phantom moves with every slice, and jumps back where a pass begins again."""
    first = made_hu(n=8)
    noise = np.random.default_rng(4).integers(-8, 9, (number, *first.shape))
    datasets = made_series(np.concatenate(list(first + noise)))
    said = refusal(save_series(tmp_path, datasets))
    assert (
        said
        == f"{ {2: 'two', 3: 'three'}[number] } acquisitions are laid end to end: the body starts again in the stack"
    )


@pytest.mark.parametrize("keyword", ["AcquisitionNumber", "AcquisitionTime"])
def test_a_shorter_pass_laid_behind_the_first(tmp_path, keyword):
    first = made_hu(n=10)
    planes = np.concatenate([first, first[:6] + np.random.default_rng(4).integers(-8, 9, first[:6].shape)])
    value = 2 if keyword == "AcquisitionNumber" else "101500"
    datasets = changed(made_series(planes), range(10, 16), **{keyword: value})
    assert refusal(save_series(tmp_path, datasets)).startswith("two acquisitions are laid end to end")


def rotations(datasets):
    """Number and time a series as step-and-shoot does: four slices of each rotation share them."""
    for index, dataset in enumerate(datasets):
        dataset.AcquisitionNumber, dataset.AcquisitionTime = 1 + index // 4, f"1010{index // 4:02d}"
    return datasets


def one_time_each(datasets):
    """Time a series as a helix does, from the feet up."""
    for index, dataset in enumerate(datasets):
        dataset.AcquisitionTime = f"1010{index:02d}.25"
    return datasets


def from_the_head(datasets):
    for index, dataset in enumerate(datasets):
        dataset.InstanceNumber, dataset.AcquisitionTime = 100 - index, f"1010{40 - index:02d}"
    return datasets


def two_halves(datasets):
    """Two table positions, one after the other: a long scan."""
    return changed(datasets, range(8, 16), AcquisitionNumber=2, AcquisitionTime="101500")


@pytest.mark.parametrize("acquired", [rotations, one_time_each, from_the_head, two_halves])
def test_a_usual_acquisition_is_one_pass(tmp_path, acquired):
    datasets = acquired(made_series(made_hu(n=16, columns=48)))
    assert converted(save_series(tmp_path, datasets)).notes == []


def test_slices_that_do_not_name_their_kernel_are_not_left_out(tmp_path):
    datasets = made_series(made_hu(n=12))
    for dataset in datasets[8:]:
        del dataset.ConvolutionKernel
    assert "a part of the series does not name its kernel" in refusal(save_series(tmp_path, datasets))


def test_two_kernels_that_share_the_slices_are_not_two_scans(tmp_path):
    datasets = changed(made_series(made_hu(n=16)), range(8, 16), ConvolutionKernel="LUNG")
    assert "do not cover the same slices" in refusal(save_series(tmp_path, datasets))


def test_a_second_whole_reconstruction_under_the_same_uid_is_left_out(tmp_path):
    other = changed(made_series(made_hu(seed=2)), range(8), ConvolutionKernel="LUNG")
    volume = converted(save_series(tmp_path, [*made_series(), *other]))
    assert len(volume.notes) == 1 and volume.notes[0].startswith("left out 1 × other series (8 slices")


def test_slices_that_are_turned_are_not_left_out(tmp_path):
    angle = np.deg2rad(0.12)
    turned = [np.cos(angle), np.sin(angle), 0, -np.sin(angle), np.cos(angle), 0]
    datasets = changed(made_series(made_hu(n=12)), range(8, 12), ImageOrientationPatient=list(turned))
    assert "ImageOrientationPatient (0020,0037) changes" in refusal(save_series(tmp_path, datasets))


@pytest.mark.parametrize(("step", "said"), [(0.0025, "0.0025 mm apart"), (250.0, "250 mm apart")])
def test_slices_at_impossible_distances(tmp_path, step, said):
    assert said in refusal(save_series(tmp_path, made_series(step=step)))


def test_a_value_with_a_decimal_comma_is_not_missing(tmp_path):
    folder = save_series(tmp_path, made_series())
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"0.8\\0.7", b"0,8\\0,7"))
    assert refusal(folder) == (
        "PixelSpacing (0028,0030) is not readable as a number: it is written with a decimal comma (file 1)"
    )


@pytest.mark.parametrize("length", range(200, 1000, 25))
def test_a_last_slice_that_is_cut_is_not_left_out(tmp_path, length):
    folder = save_series(tmp_path, made_series())
    last = folder / "008.dcm"
    last.write_bytes(last.read_bytes()[:length])
    assert any(word in refusal(folder) for word in ("truncated", "damaged", "cut off", "shorter"))


@pytest.mark.parametrize("kind", ["HU_MOD", "HU", "US", ""])
def test_rescale_types_that_are_hu(tmp_path, kind):
    datasets = changed(made_series(), range(8), RescaleType=kind)
    notes = converted(save_series(tmp_path, datasets)).notes
    assert bool(notes) == (kind == "HU_MOD")


@pytest.mark.parametrize("kind", ["Z_EFF", "MGML", "ED", "OD", "PCT", "mg/ml", "%"])
def test_rescale_types_that_are_not_hu(tmp_path, kind):
    datasets = changed(made_series(), range(8), RescaleType=kind)
    assert refusal(save_series(tmp_path, datasets)) == "no CT slice; left out 8 × not in HU"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientName", "Roe^Richard"),
        ("PatientName", "Doe^John"),
        ("PatientSex", "M"),
        ("StudyInstanceUID", uid("another study")),
    ],
)
def test_two_people_or_studies_under_one_series(tmp_path, keyword, value):
    datasets = changed(made_series(), range(8), PatientSex="F")
    changed(datasets, range(4, 8), **{keyword: value})
    said = refusal(save_series(tmp_path, datasets))
    assert said.startswith(f"{keyword} (00") and "differs within one series" in said
    assert not any(word in said for word in ("Roe", "Doe", "John", uid("another study")))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "DOE^JANE",
            "Doe^Jane^^^",
            "Doe^Jane ",
            "Doe, Jane",
            "DOE JANE",
            "Doe^Jane^^Dr.",
            "Doe^Jane^M.",
            "Dr Doe^Jane",
        ),
        *("Döe^Jane", "Doe", "Jane Doe", "Doe^J", "", "Doe-Smith^Jane", "Doe^Jane=Doe^Jane"),
    ],
)
def test_spellings_of_one_name(tmp_path, name):
    datasets = made_series()
    for dataset in datasets[4:]:
        dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 100", name
    assert converted(save_series(tmp_path, datasets)).notes == []


def test_sex_may_be_unknown_on_some_slices(tmp_path):
    datasets = changed(made_series(), range(4), PatientSex="F")
    changed(datasets, range(4, 6), PatientSex="")
    changed(datasets, range(6, 8), PatientSex="O")
    assert converted(save_series(tmp_path, datasets)).notes == []


def test_a_birth_year_alone_is_no_other_patient(tmp_path):
    datasets = changed(made_series(), range(8), PatientBirthDate="19600101")
    changed(datasets, range(4, 8), PatientBirthDate="1960")
    assert converted(save_series(tmp_path / "year", datasets)).notes == []
    changed(datasets, range(4, 8), PatientBirthDate="1961")
    assert "PatientBirthDate (0010,0030) differs" in refusal(save_series(tmp_path / "other", datasets))


def test_two_series_of_two_studies_are_two_series(tmp_path):
    other = changed(made_series(made_hu(n=6), series="other"), range(6), StudyInstanceUID=uid("another study"))
    assert converted(save_series(tmp_path, [*made_series(), *other])).voxels.shape[2] == 8
