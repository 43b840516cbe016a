"""Unusual files and impossible header values are read rightly, or refused with the reason."""

import zipfile

import numpy as np
import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from lungsight.errors import BadCase, UserError
from lungsight.intake.cohort_table import read_cohort_table
from lungsight.intake.dicom import read_dicom
from lungsight.intake.hounsfield import MOST, check_range
from lungsight.intake.volume import Window
from tests.factories.dicom import made_hu, made_series, save_series, set_pixels

WINDOW = Window(-1250, 250)
RIGHT = ((np.clip(made_hu(), -1250, 250) + 1250) / 1500).transpose(2, 1, 0)[::-1, ::-1]


def raw(dataset, keyword, value):
    """Put bytes into a data set that pydicom itself would refuse."""
    tag = Tag(keyword)
    dataset[tag] = RawDataElement(tag, dictionary_VR(keyword), len(value), value, 0, False, True)


def series_with(tmp_path, **values):
    """Save a series whose slices all have these values, as bytes."""
    datasets = made_series()
    for dataset in datasets:
        for keyword, value in values.items():
            raw(dataset, keyword, value)
    return save_series(tmp_path / "series", datasets)


def read(folder):
    return read_dicom(folder, folder, WINDOW, 1)


def refused(folder):
    with pytest.raises(BadCase) as caught:
        read(folder)
    return str(caught.value)


def zip_called_dicom(folder):
    with zipfile.ZipFile(folder / "extra.dcm", "w") as archive:
        archive.write(folder / "001.dcm")


@pytest.mark.parametrize(
    ("add", "note"),
    [
        (lambda folder: (folder / "000.dcm").mkdir(), []),
        (zip_called_dicom, ["left out 1 × not DICOM"]),
        (
            lambda folder: (folder / "001.DCM").write_bytes((folder / "001.dcm").read_bytes()),
            ["left out 1 × identical duplicate slice"],
        ),
    ],
    ids=["folder called a file", "zip called DICOM", "name in another case"],
)
def test_other_files_beside_a_series_do_not_change_it(tmp_path, add, note):
    folder = series_with(tmp_path)
    add(folder)
    volume = read(folder)
    assert volume.notes == note
    np.testing.assert_allclose(volume.voxels / volume.max_code, RIGHT, atol=1e-12)


def test_a_slope_of_seventeen_digits_is_read_exactly(tmp_path):
    volume = read(series_with(tmp_path, RescaleSlope=b"1.0000000000000001"))
    np.testing.assert_allclose(volume.voxels / volume.max_code, RIGHT, atol=1e-12)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"ImagePositionPatient": b"nan\\1\\2 "}, r"ImagePositionPatient \(0020,0032\) is not readable as a number"),
        ({"PixelSpacing": b"-0.7\\0.7"}, r"PixelSpacing \(0028,0030\) is not positive"),
        ({"PixelSpacing": b"1e-30\\1e-30 "}, r"PixelSpacing \(0028,0030\) is that of no CT"),
        ({"PixelSpacing": b"700\\700 "}, r"PixelSpacing \(0028,0030\) is that of no CT"),
        ({"ImageOrientationPatient": b"0\\0\\0\\0\\0\\0 "}, "no pair of perpendicular unit vectors"),
        ({"NumberOfFrames": b"2 "}, "multi-frame file that is no Enhanced CT"),
        ({"NumberOfFrames": b"2\\3 "}, "cannot be decoded"),
        ({"RescaleSlope": b"1e300 "}, r"RescaleSlope \(0028,1053\).* does not fit the pixels \(file 1\)"),
        ({"RescaleIntercept": b"1e39"}, r"RescaleIntercept \(0028,1052\).* does not fit the pixels"),
        ({"BitsStored": b"\x0c\x00"}, r"HighBit \(0028,0102\) is not BitsStored − 1"),
    ],
)
def test_impossible_values_are_refused_with_their_tag(tmp_path, values, reason):
    with pytest.raises(BadCase, match=reason):
        read(series_with(tmp_path, **values))


def test_padding_of_minus_2000_read_without_its_sign_is_refused(tmp_path):
    datasets = made_series()
    for dataset in datasets:
        stored = dataset.pixel_array.copy()
        stored[:, :4] = -2000
        set_pixels(dataset, stored)
        dataset.PixelRepresentation = 0
    assert "HU from -1008 to 6.251e+04" in refused(save_series(tmp_path / "series", datasets))


@pytest.mark.parametrize(("slope", "intercept"), [(1e300, 0), (1, 1e39), (1, MOST), (float("inf"), 0)])
def test_hu_beyond_any_scanner_are_refused(slope, intercept):
    values = np.array([[0, 1]], np.int16)
    check_range(values, 1, MOST - 1)
    with pytest.raises(BadCase, match="does not fit the pixels"):
        check_range(values, slope, intercept)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([f"c{n}" for n in range(100_000)], "the column patient, path, label is missing; it has c0, c1, "),
        (["patient", "path", "label"] + ["x"] * 100_000, "the column x is there twice"),
    ],
)
def test_a_table_of_a_hundred_thousand_columns_is_refused_with_a_short_message(tmp_path, columns, message):
    (tmp_path / "table.tsv").write_text("\t".join(columns) + "\n")
    cohort = {"role": "target", "format": "dicom", "patients": "known"}
    cohort |= {"root": str(tmp_path), "table": str(tmp_path / "table.tsv")}
    with pytest.raises(UserError, match=message) as caught:
        read_cohort_table("hospital", cohort, {"Covid-19": []})
    assert len(str(caught.value)) < 1000
