"""Masks as DICOM SEG: where they lie by other readers, what they refer to, and what they say."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from lungsight.errors import BadCase
from lungsight.intake.dicom import read_dicom, read_stack
from lungsight.intake.masks import read_mask
from lungsight.intake.volume import Volume, Window
from lungsight.segmentation.dicom_seg import Algorithm, segmentation_of, uid_of
from tests.factories.dicom import made_enhanced, made_series, save_series

KEY = b"key"
CLASSICAL = Algorithm("lungsight classical", "0.1.0", learned=False)
NAMES = {"left": [], "right": [], "both": ["lungs"], "without_tumour": [], "tumour": []}
TURNED = (-1, 0, 0, 0, -1, 0)


def read(folder: Path) -> Volume:
    return read_dicom(folder, folder, Window(-1000, 400), 1)


def some_mask(volume: Volume) -> np.ndarray:
    """A mask that no flip leaves as it is."""
    mask = np.zeros(volume.voxels.shape, bool)
    mask[2:6, 3:9, 1:3] = True
    mask[2, 3, 1] = False
    return mask


def write(folder: Path, target: Path, mask: np.ndarray, algorithm: Algorithm = CLASSICAL) -> pydicom.Dataset:
    stack, _ = read_stack(folder, folder, 1)
    segmentation_of(mask, read(folder).affine, stack, algorithm, KEY).save_as(target)
    return pydicom.dcmread(target)


@pytest.fixture(params=["feet first", "head first", "turned"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    settings = {"head first": {"step": -2.0}, "turned": {"orientation": TURNED}}.get(request.param, {})
    return save_series(tmp_path / "ct", made_series(**settings))


def voxels_in_mm(mask: np.ndarray, affine: np.ndarray) -> set[tuple[float, ...]]:
    """Centres of the marked voxels, mm in LPS."""
    points = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    return {tuple(point) for point in np.round(points * (-1, -1, 1), 2)}


def frames_in_mm(seg: pydicom.Dataset) -> set[tuple[float, ...]]:
    """The same of a SEG, by pydicom and the formula of PS3.3 C.7.6.2.1.1 alone."""
    shared = seg.SharedFunctionalGroupsSequence[0]
    spacing = [float(value) for value in shared.PixelMeasuresSequence[0].PixelSpacing]
    row, column = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)).astype(float)
    pixels = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    found = set()
    for plane, frame in zip(pixels, seg.PerFrameFunctionalGroupsSequence, strict=True):
        corner = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        for r, c in np.argwhere(plane):
            found.add(tuple(np.round(corner + row * spacing[1] * c + column * spacing[0] * r, 2)))
    return found


def test_a_mask_lies_where_it_lay_by_three_readers(folder: Path, tmp_path: Path) -> None:
    volume = read(folder)
    mask = some_mask(volume)
    seg = write(folder, tmp_path / "seg.dcm", mask)
    assert frames_in_mm(seg) == voxels_in_mm(mask, volume.affine)
    np.testing.assert_array_equal(read_mask(tmp_path / "seg.dcm", volume, NAMES, True, None, "off"), mask)
    assert not any("another series" in note for note in volume.notes)
    image = sitk.ReadImage(str(tmp_path / "seg.dcm"))
    assert int(sitk.GetArrayFromImage(image).astype(bool).sum()) == mask.sum()


def test_each_frame_refers_to_the_slice_that_it_lies_on(folder: Path, tmp_path: Path) -> None:
    seg = write(folder, tmp_path / "seg.dcm", some_mask(read(folder)))
    series = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, folder.iterdir())}
    first = next(iter(series.values()))
    for keyword in ("FrameOfReferenceUID", "StudyInstanceUID", "PatientID"):
        assert seg[keyword].value == first[keyword].value
    [referenced] = seg.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == first.SeriesInstanceUID != seg.SeriesInstanceUID
    assert {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence} == set(series)
    assert len(seg.PerFrameFunctionalGroupsSequence) == 2  # slices without lung have no frame
    for frame in seg.PerFrameFunctionalGroupsSequence:
        [source] = frame.DerivationImageSequence[0].SourceImageSequence
        on = series[source.ReferencedSOPInstanceUID]
        assert frame.PlanePositionSequence[0].ImagePositionPatient == on.ImagePositionPatient


def test_it_says_lung_by_an_automatic_algorithm_and_no_words_of_ours_name_anybody(tmp_path: Path) -> None:
    folder = save_series(tmp_path / "secret place", made_series())
    for learned, family in ((False, "123104"), (True, "123110")):
        algorithm = Algorithm("lungmask", "0.2.22", learned)
        seg = write(folder, tmp_path / "seg.dcm", some_mask(read(folder)), algorithm)
        [segment] = seg.SegmentSequence
        kind = segment.SegmentedPropertyTypeCodeSequence[0]
        assert (kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning) == ("39607008", "SCT", "Lung")
        assert segment.SegmentAlgorithmType == "AUTOMATIC" and segment.SegmentAlgorithmName == "lungmask"
        named = segment.SegmentationAlgorithmIdentificationSequence[0]
        assert (named.AlgorithmName, named.AlgorithmVersion) == ("lungmask", "0.2.22")
        assert named.AlgorithmFamilyCodeSequence[0].CodeValue == family
    assert (seg.Modality, seg.SegmentationType, seg.ContentLabel) == ("SEG", "BINARY", "LUNGS")
    assert not seg.get("ContentCreatorName") and "secret" not in str(seg)


def test_uids_follow_from_key_and_content(tmp_path: Path) -> None:
    folder = save_series(tmp_path / "ct", made_series())
    mask = some_mask(read(folder))
    first, again = (write(folder, tmp_path / "seg.dcm", mask) for _ in range(2))
    other = write(folder, tmp_path / "seg.dcm", ~mask)
    assert first.SOPInstanceUID == again.SOPInstanceUID != other.SOPInstanceUID
    assert first.SeriesInstanceUID == again.SeriesInstanceUID == other.SeriesInstanceUID
    assert uid_of(b"other key", "series") != uid_of(KEY, "series")
    assert uid_of(KEY, "a", "b") != uid_of(KEY, "ab") and len(uid_of(KEY, "a")) <= 64


def test_a_series_that_leaves_out_what_may_be_empty(tmp_path: Path) -> None:
    series = made_series()
    for dataset in series:
        for keyword in ("PatientName", "StudyDate", "AccessionNumber", "ReferringPhysicianName"):
            if keyword in dataset:
                del dataset[keyword]
    folder = save_series(tmp_path / "ct", series)
    seg = write(folder, tmp_path / "seg.dcm", some_mask(read(folder)))
    assert seg.PatientName == "" and seg.AccessionNumber == ""


def test_an_enhanced_series_whose_frames_run_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    made_enhanced(made_series()[::-1]).save_as(tmp_path / "ct" / "1.dcm", enforce_file_format=True)
    volume = read(tmp_path / "ct")
    mask = some_mask(volume)
    seg = write(tmp_path / "ct", tmp_path / "seg.dcm", mask)
    assert frames_in_mm(seg) == voxels_in_mm(mask, volume.affine)


def test_a_mask_that_does_not_fit_or_is_empty_makes_none(tmp_path: Path) -> None:
    folder = save_series(tmp_path / "ct", made_series())
    volume, (stack, _) = read(folder), read_stack(folder, folder, 1)
    mask, moved = some_mask(volume), volume.affine + np.diag([0, 0, 0, 0])
    with pytest.raises(BadCase, match="the mask is empty"):
        segmentation_of(0 * mask > 0, volume.affine, stack, CLASSICAL, KEY)
    with pytest.raises(BadCase, match="another shape than the series"):
        segmentation_of(mask[1:], volume.affine, stack, CLASSICAL, KEY)
    moved[0, 3] += 0.5
    with pytest.raises(BadCase, match="does not lie on the grid of the series"):
        segmentation_of(mask, moved, stack, CLASSICAL, KEY)


@pytest.mark.skipif(not shutil.which("segimage2itkimage"), reason="dcmqi is not installed (pip install dcmqi)")
def test_dcmqi_reads_the_same_mask(folder: Path, tmp_path: Path) -> None:
    volume = read(folder)
    mask = some_mask(volume)
    write(folder, tmp_path / "seg.dcm", mask)
    options = ["--inputDICOM", str(tmp_path / "seg.dcm"), "--outputDirectory", str(tmp_path), "--outputType", "nii"]
    subprocess.run(["segimage2itkimage", *options, "--prefix", "dcmqi"], check=True)
    image = sitk.ReadImage(str(tmp_path / "dcmqi-1.nii.gz"))
    found = {
        tuple(np.round(image.TransformIndexToPhysicalPoint(tuple(map(int, index[::-1]))), 2))
        for index in np.argwhere(sitk.GetArrayFromImage(image))
    }
    assert found == voxels_in_mm(mask, volume.affine)
