"""Read the files of a phantom with three other readers, and compare with its truth."""

import subprocess
import sys
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from skimage.draw import polygon2mask

from lungsight.demo.anatomy import Phantom, thorax
from lungsight.demo.dicom_writer import outlines, stored_hu, write_ct_series, write_rtstruct
from lungsight.intake.geometry import slice_to_image

DCM2NIIX = Path(sys.executable).with_name("dcm2niix")


@pytest.fixture(scope="module", params=["alpha", "beta"])
def series(request, tmp_path_factory) -> tuple[Phantom, Path]:
    """Make a phantom of each scanner, and the folder of its files."""
    phantom = thorax(seed=2, matrix=96, slices=10, scanner=request.param, disease="tumour")
    folder = tmp_path_factory.mktemp(request.param)
    write_ct_series(folder / "ct", phantom, "test/2/0", "P001")
    write_rtstruct(folder / "rtstruct.dcm", phantom, "test/2/0", "P001")
    return phantom, folder


def headers(folder: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted((folder / "ct").iterdir())]


def test_dcm2niix_reads_hu_and_geometry(series, tmp_path):
    phantom, folder = series
    done = subprocess.run(
        [str(DCM2NIIX), "-b", "n", "-z", "n", "-f", "volume", "-o", str(tmp_path), str(folder / "ct")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    read = nibabel.as_closest_canonical(nibabel.load(tmp_path / "volume.nii"))
    np.testing.assert_array_equal(np.asarray(read.dataobj), stored_hu(phantom))
    np.testing.assert_allclose(read.affine, phantom.affine, atol=1e-3)


def test_simpleitk_reads_hu_and_geometry(series):
    phantom, folder = series
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder / "ct")))
    read = reader.Execute()
    hu = SimpleITK.GetArrayFromImage(read)
    np.testing.assert_array_equal(hu[:, ::-1, ::-1].transpose(2, 1, 0), stored_hu(phantom))
    np.testing.assert_allclose(read.GetSpacing(), phantom.spacing, atol=1e-3)
    corner = phantom.affine @ [phantom.hu.shape[0] - 1, phantom.hu.shape[1] - 1, 0, 1]
    np.testing.assert_allclose(read.GetOrigin(), corner[:3] * [-1, -1, 1], atol=1e-3)


def test_highdicom_reads_hu_and_geometry(series):
    phantom, folder = series
    volume = highdicom.get_volume_from_series(headers(folder)).to_patient_orientation("RAH")
    hu = volume.array
    np.testing.assert_array_equal(hu, stored_hu(phantom))
    lps_to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    np.testing.assert_allclose(lps_to_ras @ volume.affine, phantom.affine, atol=1e-3)


def test_file_names_do_not_follow_the_position(series):
    _, folder = series
    positions = [float(header.ImagePositionPatient[2]) for header in headers(folder)]
    assert positions != sorted(positions) and positions != sorted(positions, reverse=True)
    assert len(set(positions)) == 10


def test_headers_identify_an_invented_person(series):
    phantom, folder = series
    first, *others = headers(folder)
    assert str(first.PatientName).startswith("PHANTOM^")
    assert first.Manufacturer == phantom.scanner.manufacturer
    for name in ("PatientID", "PatientBirthDate", "StudyDate", "AccessionNumber", "InstitutionName"):
        assert first[name].value
        assert all(other[name].value == first[name].value for other in others)
    assert len({header.SOPInstanceUID for header in headers(folder)}) == 10
    assert len({header.SeriesInstanceUID for header in headers(folder)}) == 1


def test_contours_give_the_masks_back(series):
    """Fill the contours by scikit-image's pixel-centre test; rings inside others are holes."""
    phantom, folder = series
    structures = pydicom.dcmread(folder / "rtstruct.dcm")
    names = {region.ROINumber: region.ROIName for region in structures.StructureSetROISequence}
    truth = {"Lung-Left": phantom.lung_left, "Lung-Right": phantom.lung_right, "GTV-1": phantom.lesion}
    to_index = np.linalg.inv(phantom.affine)
    assert set(names.values()) == {*truth, "Spinal-Cord"}
    for region in structures.ROIContourSequence:
        filled = np.zeros(phantom.hu.shape, dtype=bool)
        for contour in region.ContourSequence:
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            points = np.reshape(contour.ContourData, (-1, 3)).astype(float) * [-1, -1, 1]
            index = points @ to_index[:3, :3].T + to_index[:3, 3]
            k = round(index[0, 2])
            np.testing.assert_allclose(index[:, 2], k, atol=1e-3)
            filled[:, :, k] ^= polygon2mask(phantom.hu.shape[:2], index[:, :2])
        expected = truth.get(names[region.ReferencedROINumber], phantom.cord)
        assert expected.any()
        np.testing.assert_array_equal(filled, expected)


def test_contours_refer_to_the_series(series):
    _, folder = series
    structures = pydicom.dcmread(folder / "rtstruct.dcm")
    images = {header.SOPInstanceUID: header for header in headers(folder)}
    first = next(iter(images.values()))
    frame = structures.ReferencedFrameOfReferenceSequence[0]
    assert frame.FrameOfReferenceUID == first.FrameOfReferenceUID
    referenced = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert referenced.SeriesInstanceUID == first.SeriesInstanceUID
    assert {image.ReferencedSOPInstanceUID for image in referenced.ContourImageSequence} == set(images)
    for region in structures.ROIContourSequence:
        for contour in region.ContourSequence:
            image = images[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            assert float(contour.ContourData[2]) == pytest.approx(float(image.ImagePositionPatient[2]), abs=1e-3)


def test_files_are_the_same_in_every_run(series, tmp_path):
    phantom, folder = series
    write_ct_series(tmp_path / "ct", phantom, "test/2/0", "P001")
    write_rtstruct(tmp_path / "rtstruct.dcm", phantom, "test/2/0", "P001")
    for path in [tmp_path / "rtstruct.dcm", *(tmp_path / "ct").iterdir()]:
        assert path.read_bytes() == (folder / path.relative_to(tmp_path)).read_bytes()


def test_outlines_keep_holes_and_pieces_apart():
    mask = np.zeros((12, 12, 2), dtype=bool)
    mask[2:9, 2:9, 1] = True
    mask[4:6, 4:6, 1] = False
    mask[10, 10, 1] = True
    affine = np.diag([2.0, 3.0, 5.0, 1.0])
    rings = outlines(mask, affine)
    assert [k for k, _ in rings] == [1, 1, 1]
    assert all((points[:, 2] == 5.0).all() for _, points in rings)
    largest = max((points for _, points in rings), key=len)
    np.testing.assert_allclose([largest[:, 0].min(), largest[:, 0].max()], [-17, -3])
    np.testing.assert_allclose([largest[:, 1].min(), largest[:, 1].max()], [-25.5, -4.5])


def test_stored_values_fit_the_scanner():
    alpha, beta = (thorax(1, 64, 3, scanner) for scanner in ("alpha", "beta"))
    assert stored_hu(alpha).min() >= -1024 and stored_hu(beta).min() == -2000
    k = 1
    np.testing.assert_array_equal(
        slice_to_image(stored_hu(beta)[:, :, k]), np.rint(slice_to_image(beta.hu[:, :, k])).astype(int)
    )
