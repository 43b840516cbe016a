"""Choose and stack the slices of a series, or refuse it with a reason."""

import shutil
from dataclasses import asdict

import nibabel
import numpy as np
import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from lungsight.errors import BadCase
from lungsight.intake.dicom import read_dicom
from lungsight.intake.series import SeriesRule
from lungsight.intake.volume import Window
from tests.factories.dicom import made_hu, made_series, save_series, set_pixels

WINDOW = Window(-1250, 250)


def converted(folder, min_slices=5, **settings):
    return read_dicom(folder, folder, WINDOW, min_slices, **settings)


def values(volume):
    return volume.voxels / volume.max_code


def expected(hu):
    """(n, rows, columns) HU of an axial series, feet first → canonical [0, 1] (i, j, k)."""
    return ((np.clip(hu, -1250, 250) + 1250) / 1500).transpose(2, 1, 0)[::-1, ::-1]


def reason(folder, **settings):
    with pytest.raises(BadCase) as caught:
        converted(folder, **settings)
    return str(caught.value)


def test_a_plain_series_has_hu_affine_and_acquisition_metadata(tmp_path):
    volume = converted(save_series(tmp_path, made_series()))
    np.testing.assert_allclose(values(volume), expected(made_hu()), atol=1e-12)
    assert volume.affine == pytest.approx(
        np.array([[0.7, 0, 0, 11.5 - 31 * 0.7], [0, 0.8, 0, 23.25 - 23 * 0.8], [0, 0, 2, 100], [0, 0, 0, 1]])
    )
    acquisition = asdict(volume.acquisition)
    percentiles = [acquisition.pop(name) for name in ("hu_p01", "hu_p50", "hu_p99")]
    assert percentiles == pytest.approx(np.percentile(made_hu()[:, ::4, ::4], [1, 50, 99]))
    assert acquisition == {
        **{"rows": 24, "columns": 32, "spacing_row": 0.8, "spacing_column": 0.7, "spacing_slice": 2.0},
        **{"slice_thickness": 2.0, "kvp": 120.0, "contrast": 0},
        **{"kernel": "soft", "manufacturer": "other", "transfer_syntax": "uncompressed", "lossy": 0},
    }
    assert volume.notes == []


def test_shuffled_names_and_reversed_numbers(tmp_path):
    datasets = made_series()
    for number, dataset in enumerate(reversed(datasets), start=1):
        dataset.InstanceNumber = number
    shuffled = [datasets[index] for index in np.random.default_rng(3).permutation(len(datasets))]
    np.testing.assert_allclose(values(converted(save_series(tmp_path, shuffled))), expected(made_hu()), atol=1e-12)


def test_identical_duplicate_is_dropped_with_a_note(tmp_path):
    datasets = made_series()
    for dataset in datasets:
        dataset.SOPInstanceUID = datasets[0].SOPInstanceUID  # one UID for all, as some archives have it
    volume = converted(save_series(tmp_path, [*datasets, datasets[3]]))
    np.testing.assert_allclose(values(volume), expected(made_hu()), atol=1e-12)
    assert volume.notes == ["left out 1 × identical duplicate slice"]


def test_one_place_with_two_images(tmp_path):
    datasets = made_series()
    again = made_series(made_hu(seed=9))[3]
    assert reason(save_series(tmp_path, [*datasets, again])) == ("files 4 and 9 have one position and different pixels")


@pytest.mark.parametrize("number", ["acquisition", "instance"])
def test_interleaved_acquisitions_at_even_spacing(tmp_path, number):
    datasets = made_series(made_hu(n=10))
    for index, dataset in enumerate(datasets):
        if number == "acquisition":
            dataset.AcquisitionNumber = 1 + index % 2
        else:
            dataset.InstanceNumber = 1 + index // 2 + 100 * (index % 2)
    assert reason(save_series(tmp_path, datasets)).startswith("two acquisitions are interleaved: ")


def test_interleaved_acquisitions_at_uneven_spacing(tmp_path):
    other = made_series(made_hu(seed=2), origin=(-11.5, -23.25, 100.6))
    for number, dataset in enumerate(other, start=100):
        dataset.InstanceNumber = number
    assert "two acquisitions are interleaved" in reason(save_series(tmp_path, [*made_series(), *other]))


def test_consecutive_acquisitions_are_accepted(tmp_path):
    datasets = made_series(made_hu(n=10))
    for index, dataset in enumerate(datasets):
        dataset.AcquisitionNumber = 1 + index // 5
    assert converted(save_series(tmp_path, datasets)).voxels.shape[2] == 10


def test_missing_slice(tmp_path):
    datasets = made_series()
    del datasets[4]
    assert reason(save_series(tmp_path, datasets)) == (
        "a slice is missing: 4 mm between slices 4 and 5, 2 mm elsewhere"
    )


@pytest.mark.parametrize(("shift", "accepted"), [(0.009, True), (0.03, False)])
def test_spacing_may_vary_by_one_percent(tmp_path, shift, accepted):
    datasets = made_series()
    datasets[-1].ImagePositionPatient[2] += 2 * shift
    folder = save_series(tmp_path, datasets)
    if accepted:
        assert converted(folder).voxels.shape[2] == 8
    else:
        assert "the slice spacing is uneven" in reason(folder)


def test_gantry_tilt_is_seen_in_the_vectors(tmp_path):
    tilted = (1, 0, 0, 0, np.cos(0.2), -np.sin(0.2))
    datasets = made_series(orientation=tilted)
    for k, dataset in enumerate(datasets):
        dataset.ImagePositionPatient = [-11.5, -23.25, 100 + 2 * k]
    assert "tilted gantry" in reason(save_series(tmp_path, datasets))


def with_header(datasets, **values):
    for dataset in datasets:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
    return datasets


def test_the_thinnest_series_is_chosen_then_the_one_with_most_slices(tmp_path):
    thick = made_series(made_hu(n=9, seed=5), series="thick", thickness=5.0)
    fewer = made_series(made_hu(n=7, seed=4), series="fewer")
    volume = converted(save_series(tmp_path, [*fewer, *thick, *made_series()]))
    np.testing.assert_allclose(values(volume), expected(made_hu()), atol=1e-12)
    assert volume.notes == ["left out 2 × other series (7 slices, 2 mm, soft kernel; 9 slices, 5 mm, soft kernel)"]


def test_most_slices_may_be_preferred(tmp_path):
    thick = made_series(made_hu(n=9, seed=5), series="thick", thickness=5.0)
    volume = converted(save_series(tmp_path, [*thick, *made_series()]), rule=SeriesRule(prefer="most_slices"))
    np.testing.assert_allclose(values(volume), expected(made_hu(n=9, seed=5)), atol=1e-12)


def test_a_thin_series_of_a_part_of_the_chest_is_not_chosen(tmp_path):
    part = made_series(made_hu(n=6, seed=4), series="part", thickness=0.5, step=0.5)
    volume = converted(save_series(tmp_path, [*part, *made_series()]))
    np.testing.assert_allclose(values(volume), expected(made_hu()), atol=1e-12)
    assert volume.notes == ["left out 1 × other series (6 slices, 0.5 mm, soft kernel)"]


@pytest.mark.parametrize(("contrast", "chosen"), [("with", 4), ("without", 0), ("any", 4)])
def test_contrast_may_be_required(tmp_path, contrast, chosen):
    enhanced = with_header(
        made_series(made_hu(seed=4), series="enhanced", thickness=1.5), ContrastBolusAgent="Dr. Doe's mixture"
    )
    volume = converted(save_series(tmp_path, [*made_series(), *enhanced]), rule=SeriesRule(contrast=contrast))
    np.testing.assert_allclose(values(volume), expected(made_hu(seed=chosen)), atol=1e-12)
    assert volume.acquisition.contrast == int(chosen == 4) and "Doe" not in str(volume.notes)
    assert ("contrast" in volume.notes[0]) == (chosen == 0)


def test_no_series_has_the_required_contrast(tmp_path):
    folder = save_series(tmp_path, made_series())
    assert reason(folder, rule=SeriesRule(contrast="with")) == "no series with contrast, as intake.series wants it"


@pytest.mark.parametrize(
    ("kernels", "chosen"), [((), 0), (("lung",), 4), (("bone", "lung"), 4), (("soft", "lung"), 0), (("other",), 0)]
)
def test_kernels_may_be_preferred(tmp_path, kernels, chosen):
    lung = with_header(made_series(made_hu(seed=4), series="lung", thickness=3.0), ConvolutionKernel=["Bl57d", "3"])
    volume = converted(save_series(tmp_path, [*lung, *made_series()]), rule=SeriesRule(kernels=kernels))
    np.testing.assert_allclose(values(volume), expected(made_hu(seed=chosen)), atol=1e-12)
    assert volume.acquisition.kernel == ("lung" if chosen == 4 else "soft")


def test_many_other_series_are_not_all_described(tmp_path):
    for n in range(7):
        save_series(tmp_path / str(n), made_series(made_hu(n=5, seed=n), series=f"s{n}", thickness=3.0 + n))
    save_series(tmp_path / "thin", made_series())
    (note,) = converted(tmp_path).notes
    assert note.startswith("left out 7 × other series (5 slices, 3 mm") and note.endswith("; and 2 more)")


def test_another_kernel_is_another_series(tmp_path):
    sharp = with_header(made_series(made_hu(n=6, seed=6)), ConvolutionKernel="BONE")
    volume = converted(save_series(tmp_path, [*sharp, *made_series()]))
    assert volume.voxels.shape[2] == 8
    assert volume.notes == ["left out 1 × other series (6 slices, 2 mm, bone kernel)"]


@pytest.mark.parametrize("word", ["LOCALIZER", "MIP", "MINIP", "AVERAGE", "MPR", "REFORMATTED", "CT_SOM5 MPR"])
def test_computed_images_are_left_out(tmp_path, word):
    computed = made_series(made_hu(seed=7))
    for dataset in computed:
        dataset.ImageType = ["DERIVED", "SECONDARY", word]
    assert "no CT slice" in reason(save_series(tmp_path / "alone", computed))
    volume = converted(save_series(tmp_path / "both", [*computed, *made_series()]))
    np.testing.assert_allclose(values(volume), expected(made_hu()), atol=1e-12)
    assert volume.notes == ["left out 8 × localizer, projection or reformatted image"]


def test_derived_images_are_accepted(tmp_path):
    datasets = made_series()
    for dataset in datasets:
        dataset.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    assert converted(save_series(tmp_path, datasets)).voxels.shape[2] == 8


def test_secondary_capture_is_left_out(tmp_path):
    capture = made_series(made_hu(n=1))[0]
    capture.SOPClassUID = SecondaryCaptureImageStorage
    volume = converted(save_series(tmp_path, [*made_series(), capture]))
    assert volume.notes == ["left out 1 × no CT image"]


def test_a_coronal_group_is_left_out_by_its_geometry(tmp_path):
    coronal = made_series(made_hu(n=12), orientation=(1, 0, 0, 0, 0, -1))
    volume = converted(save_series(tmp_path, [*coronal, *made_series()]))
    assert volume.voxels.shape[2] == 8
    assert volume.notes == ["left out 12 × not axial"]
    assert reason(save_series(tmp_path / "alone", coronal)) == "no axial CT slice"


def test_different_slice_sizes(tmp_path):
    datasets = made_series()
    set_pixels(datasets[7], np.zeros((20, 32)))
    assert reason(save_series(tmp_path, datasets)) == "the slices of the series differ in rows and columns"


def test_a_header_that_claims_a_huge_size(tmp_path):
    datasets = made_series()
    datasets[2].Rows = datasets[2].Columns = 60000
    for dataset in datasets:
        dataset.Rows, dataset.Columns = 60000, 60000
    assert "60000 × 60000" in reason(save_series(tmp_path, datasets))


def test_truncated_pixels_and_empty_file(tmp_path):
    folder = save_series(tmp_path / "truncated", made_series())
    whole = (folder / "003.dcm").read_bytes()
    (folder / "003.dcm").write_bytes(whole[:-500])
    assert "(file 3)" in reason(folder)
    folder = save_series(tmp_path / "empty", made_series())
    (folder / "003.dcm").write_bytes(b"")
    assert reason(folder) == "file 3 is empty"


def test_other_files_are_skipped_and_counted(tmp_path):
    folder = save_series(tmp_path, made_series())
    (folder / "notes.txt").write_text("chest")
    (folder / ".hidden").write_text("")
    (folder / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 60)
    volume = converted(folder)
    assert volume.voxels.shape[2] == 8
    assert volume.notes == ["left out 2 × not DICOM", "left out 1 × unreadable"]


@pytest.mark.parametrize(
    ("keyword", "tag"),
    [
        ("PixelSpacing", "(0028,0030)"),
        ("ImagePositionPatient", "(0020,0032)"),
        ("ImageOrientationPatient", "(0020,0037)"),
        ("RescaleSlope", "(0028,1053)"),
        ("RescaleIntercept", "(0028,1052)"),
    ],
)
def test_a_missing_tag_is_named(tmp_path, keyword, tag):
    datasets = made_series()
    for dataset in datasets:
        del dataset[keyword]
    assert reason(save_series(tmp_path, datasets)) == f"{keyword} {tag} is missing (file 1)"


def test_slope_0(tmp_path):
    datasets = made_series()
    datasets[4].RescaleSlope = 0
    assert reason(save_series(tmp_path, datasets)) == "RescaleSlope (0028,1053) is 0 (file 5)"


PLANES = {
    "prone": (-1, 0, 0, 0, -1, 0),
    "head last": (1, 0, 0, 0, -1, 0),
    "turned": (0, 1, 0, -1, 0, 0),
    "oblique": (np.cos(0.1), np.sin(0.1), 0, -np.sin(0.1) * np.cos(0.2), np.cos(0.1) * np.cos(0.2), np.sin(0.2)),
}


@pytest.mark.parametrize("step", [2.0, -2.0])
@pytest.mark.parametrize("plane", PLANES)
def test_every_voxel_is_in_its_place_on_canonical_axes(tmp_path, plane, step):
    datasets = made_series(orientation=PLANES[plane], step=step)
    volume = converted(save_series(tmp_path, datasets))
    assert nibabel.aff2axcodes(volume.affine) == ("R", "A", "S")
    lps = np.diag([-1, -1, 1, 1])
    for dataset in (datasets[0], datasets[5]):
        row, column = 4, 17
        cosines = np.asarray(dataset.ImageOrientationPatient, float)
        place = np.asarray(dataset.ImagePositionPatient, float) + cosines[:3] * 0.7 * column + cosines[3:] * 0.8 * row
        index = np.linalg.inv(volume.affine) @ lps @ [*place, 1]
        i, j, k = np.rint(index[:3]).astype(int)
        np.testing.assert_allclose(index[:3], [i, j, k], atol=1e-3)
        hu = np.clip(int(dataset.pixel_array[row, column]) - 1024, -1250, 250)
        assert volume.voxels[i, j, k] / volume.max_code == pytest.approx((hu + 1250) / 1500)


def test_fewer_slices_than_min_slices(tmp_path):
    folder = save_series(tmp_path, made_series(made_hu(n=4)))
    assert reason(folder) == "4 slices, min_slices is 5"
    assert converted(folder, min_slices=4).voxels.shape[2] == 4


def test_burned_in_annotation(tmp_path):
    datasets = made_series()
    datasets[0].BurnedInAnnotation = "YES"
    folder = save_series(tmp_path, datasets)
    assert reason(folder) == "BurnedInAnnotation (0028,0301) is YES"
    assert converted(folder, burned_in=True).voxels.shape[2] == 8


def test_modality_may_be_absent_but_not_another(tmp_path):
    datasets = made_series()
    for dataset in datasets:
        del dataset.Modality
    assert converted(save_series(tmp_path / "absent", datasets)).voxels.shape[2] == 8
    for dataset in datasets:
        dataset.Modality = "MR"
    assert reason(save_series(tmp_path / "other", datasets)) == "no CT slice; left out 8 × no CT image"


def test_one_file_is_a_volume_of_one_slice(tmp_path):
    folder = save_series(tmp_path, made_series(thickness=3.0))
    volume = read_dicom(folder / "004.dcm", folder, WINDOW, 1)
    np.testing.assert_allclose(values(volume), expected(made_hu()[3:4]), atol=1e-12)
    assert volume.affine[2, 2] == 3.0 and volume.affine[2, 3] == 106.0


def test_a_link_out_of_the_root_is_not_followed(tmp_path):
    elsewhere = save_series(tmp_path / "elsewhere", made_series(made_hu(seed=1), series="other"))
    folder = save_series(tmp_path / "root", made_series())
    (folder / "linked.dcm").symlink_to(elsewhere / "001.dcm")
    assert converted(folder).notes == []


def test_sub_folders_belong_to_the_series(tmp_path):
    folder = save_series(tmp_path, made_series())
    (folder / "more").mkdir()
    shutil.move(folder / "001.dcm", folder / "more" / "001.dcm")
    assert converted(folder).voxels.shape[2] == 8


def test_changing_pixel_spacing(tmp_path):
    datasets = made_series()
    datasets[6].PixelSpacing = [0.9, 0.7]
    assert reason(save_series(tmp_path, datasets)) == ("PixelSpacing (0028,0030) changes within the series (file 7)")
