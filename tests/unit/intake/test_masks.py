"""Read the lung mask of a case from RTSTRUCT, DICOM SEG and NIfTI."""

import shutil

import highdicom
import nibabel
import numpy as np
import pytest
from pydicom.sr.codedict import codes
from pydicom.uid import RLELossless

from lungsight.errors import BadCase
from lungsight.intake.dicom import read_dicom
from lungsight.intake.masks import read_mask
from lungsight.intake.volume import Window
from tests.factories.dicom import made_hu, made_rtstruct, made_series, save_series, uid

ROI_NAMES = {"left": ["lung-left"], "right": ["lung-right"], "both": ["lungs"], "tumour": ["gtv.*"]}


def box(low, high, z):
    """A rectangle in mm (LPS) from corner (x, y) to corner (x, y)."""
    (x0, y0), (x1, y1) = low, high
    return np.array([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]])


def pixel_box(rows, columns, z):
    """The rectangle around the pixels rows[0]…rows[1] × columns[0]…columns[1] of a made series."""
    return box(
        (-11.5 + 0.7 * (columns[0] - 0.5), -23.25 + 0.8 * (rows[0] - 0.5)),
        (-11.5 + 0.7 * (columns[1] + 0.5), -23.25 + 0.8 * (rows[1] + 0.5)),
        z,
    )


REGIONS = {
    "Lung-Right": [pixel_box((4, 15), (2, 9), 104)],
    "Lung-Left": [pixel_box((4, 15), (20, 27), 104), pixel_box((5, 6), (20, 21), 106)],
    "GTV-1": [pixel_box((10, 17), (25, 30), 104)],
}


def truth(tumour: bool) -> np.ndarray:
    """The mask of REGIONS in canonical axes."""
    planes = np.zeros((8, 24, 32), bool)
    planes[2, 4:16, 2:10] = planes[2, 4:16, 20:28] = planes[3, 5:7, 20:22] = True
    planes[2, 10:18, 25:31] = tumour
    return planes.transpose(2, 1, 0)[::-1, ::-1]


def hu_with_lungs(seed: int = 0) -> np.ndarray:
    """HU of a made series with lung where REGIONS lie."""
    hu = made_hu(seed=seed)
    hu[truth(False)[::-1, ::-1].transpose(2, 1, 0)] = -850
    return hu


@pytest.fixture
def volume(tmp_path):
    folder = save_series(tmp_path / "ct", made_series())
    return read_dicom(folder, folder, Window(-1250, 250), 5)


@pytest.fixture
def rtstruct(tmp_path):
    return save_series(tmp_path / "rt", [made_rtstruct(REGIONS)])


@pytest.mark.parametrize("tumour_in_lung", [True, False])
def test_rtstruct_left_right_and_tumour(volume, rtstruct, tumour_in_lung):
    mask = read_mask(rtstruct, volume, ROI_NAMES, tumour_in_lung)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, truth(tumour_in_lung))


def test_the_mask_may_be_a_file_or_a_folder_with_one(volume, rtstruct):
    by_file = read_mask(rtstruct / "001.dcm", volume, ROI_NAMES, True)
    np.testing.assert_array_equal(by_file, read_mask(rtstruct, volume, ROI_NAMES, True))
    (rtstruct / "002.dcm").write_bytes((rtstruct / "001.dcm").read_bytes())
    with pytest.raises(BadCase, match="holds 2 RTSTRUCT files"):
        read_mask(rtstruct, volume, ROI_NAMES, True)


def test_contours_are_found_by_their_header_among_the_scans(volume, rtstruct, tmp_path):
    by_file = read_mask(rtstruct / "001.dcm", volume, ROI_NAMES, True)
    folder = tmp_path / "patient"
    save_series(folder / "ct", made_series())
    (folder / "LICENSE").write_text("no DICOM")
    with pytest.raises(BadCase, match="holds 9 files, and none is RTSTRUCT or SEG"):
        read_mask(folder, volume, ROI_NAMES, True)
    (folder / "000-first").write_bytes((rtstruct / "001.dcm").read_bytes())
    np.testing.assert_array_equal(by_file, read_mask(folder, volume, ROI_NAMES, True))


def test_contours_that_miss_the_picture_are_refused(volume, tmp_path):
    away = {name: [box((500, 500), (510, 510), 104)] for name in ("Lung-Left", "Lung-Right")}
    folder = save_series(tmp_path / "away", [made_rtstruct(away)])
    with pytest.raises(BadCase, match="contain no pixel"):
        read_mask(folder, volume, ROI_NAMES, True)


def test_contours_of_another_frame_are_refused(volume, tmp_path):
    folder = save_series(tmp_path / "other", [made_rtstruct(REGIONS, frame=uid("other"))])
    with pytest.raises(BadCase, match="FrameOfReferenceUID"):
        read_mask(folder, volume, ROI_NAMES, True)


def test_other_files_are_no_mask(volume, tmp_path):
    (tmp_path / "text").write_text("lung")
    with pytest.raises(BadCase, match="no readable RTSTRUCT, SEG, NIfTI"):
        read_mask(tmp_path / "text", volume, ROI_NAMES, True)
    with pytest.raises(BadCase, match="neither RTSTRUCT nor SEG nor NIfTI"):
        read_mask(tmp_path / "ct" / "001.dcm", volume, ROI_NAMES, True)


def made_segmentation(series, labels, kind=highdicom.seg.SegmentationTypeValues.BINARY, **settings):
    """A DICOM SEG on a series; labels: segment name → bool (slices, rows, columns)."""
    code = codes.SCT.Lung
    described = [
        highdicom.seg.SegmentDescription(
            number, name, codes.SCT.Organ, code, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL
        )
        for number, name in enumerate(labels, start=1)
    ]
    return highdicom.seg.Segmentation(
        series,
        np.stack(list(labels.values()), axis=-1),
        kind,
        described,
        uid("seg series"),
        2,
        uid("seg"),
        1,
        "made",
        "made",
        "1",
        "1",
        **settings,
    )


def test_a_compressed_segmentation_is_decoded_and_a_damaged_one_refused(volume, tmp_path, monkeypatch):
    series = made_series()
    for dataset in series:
        dataset.PatientBirthDate, dataset.PatientSex, dataset.ReferringPhysicianName = "", "", ""
    right, left = np.zeros((2, 8, 24, 32), bool)
    right[2, 4:16, 2:10] = left[2, 4:16, 20:28] = True
    labels = {"Lung-Right": right.astype(np.float32), "Lung-Left": left.astype(np.float32)}
    fractional = highdicom.seg.SegmentationTypeValues.FRACTIONAL
    path = tmp_path / "seg.dcm"
    made_segmentation(series, labels, fractional, transfer_syntax_uid=RLELossless).save_as(path)
    expected = (right | left).transpose(2, 1, 0)[::-1, ::-1]
    np.testing.assert_array_equal(read_mask(path, volume, ROI_NAMES, True), expected)
    raw = path.read_bytes()
    start = raw.index(b"\xe0\x7f\x10\x00")
    path.write_bytes(raw[: start + 60] + b"\xff" * 200 + raw[start + 260 :])
    with pytest.raises(BadCase, match="damaged"):
        read_mask(path, volume, ROI_NAMES, True)


def test_segmentation_is_laid_on_the_images_grid(volume, tmp_path):
    series = made_series()
    for dataset in series:
        dataset.PatientBirthDate, dataset.PatientSex, dataset.ReferringPhysicianName = "", "", ""
    right, left, tumour = np.zeros((3, 8, 24, 32), bool)
    right[2, 4:16, 2:10] = left[2, 4:16, 20:28] = left[3, 5:7, 20:22] = tumour[2, 10:18, 25:31] = True
    labels = {"Lung-Right": right, "Lung-Left": left, "GTV-1": tumour}
    segmentation = made_segmentation(series, labels)
    segmentation.save_as(tmp_path / "seg.dcm")
    np.testing.assert_array_equal(read_mask(tmp_path / "seg.dcm", volume, ROI_NAMES, True), truth(True))
    np.testing.assert_array_equal(read_mask(tmp_path / "seg.dcm", volume, ROI_NAMES, False), truth(False))


def test_real_segmentation_agrees_with_its_frames(real_ct, tmp_path):
    folder = real_ct / "edge" / "dcmqi_ct_seg"
    (tmp_path / "ct3").mkdir()
    for name in ("01.dcm", "02.dcm", "03.dcm"):
        shutil.copy(folder / name, tmp_path / "ct3")
    volume = read_dicom(tmp_path / "ct3", tmp_path, Window(-1250, 250), 1)
    mask = read_mask(folder / "liver.dcm", volume, ROI_NAMES | {"both": ["liver"]}, True)
    dataset = highdicom.seg.segread(folder / "liver.dcm")
    assert mask.any(axis=(0, 1)).all()
    for frame, groups in zip(dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        k = round(float(groups.PlanePositionSequence[0].ImagePositionPatient[2]) - volume.affine[2, 3])
        np.testing.assert_array_equal(mask[::-1, ::-1, k].T, frame)


def save_labels(path, labels, affine):
    nibabel.save(nibabel.Nifti1Image(labels, affine), path)
    return path


def test_nifti_labels_above_0_are_lung_in_whatever_axes(volume, tmp_path):
    labels = np.where(truth(True), 3, 0).astype(np.int16)
    flip = np.diag([-1.0, -1, 1, 1])
    flip[:2, 3] = 31, 23
    path = save_labels(tmp_path / "m.nii.gz", labels[::-1, ::-1], volume.affine @ flip)
    np.testing.assert_array_equal(read_mask(path, volume, ROI_NAMES, True), truth(True))


def test_nifti_masks_that_do_not_fit_are_refused(volume, tmp_path):
    labels = truth(True).astype(np.float32)
    moved = volume.affine.copy()
    moved[2, 3] += 1
    for affine, values, message in [
        (moved, labels, "does not lie on the image's grid"),
        (volume.affine, labels[:-1], "does not lie on the image's grid"),
        (volume.affine, labels * 0.5, "no labels"),
        (volume.affine, -labels, "no labels"),
        (volume.affine, labels * 0, "empty"),
        (volume.affine, labels / np.where(labels, 1, np.nan), "NaN"),
    ]:
        with pytest.raises(BadCase, match=message):
            read_mask(save_labels(tmp_path / "m.nii", values, affine), volume, ROI_NAMES, True)


def test_real_left_lung_agrees_with_the_density_inside_it(real_ct):
    """Most of the mask is air, and most air around it is in the mask. thorax_rt has contours of the left lung only."""
    folder = real_ct / "thorax_rt"
    volume = read_dicom(folder / "CT", folder, Window(-1250, 250), 5)
    with pytest.raises(BadCase, match=r"^right lung not contoured, or under a name"):
        read_mask(folder / "RTSTRUCT", volume, ROI_NAMES | {"left": ["lt lung"]}, True)
    mask = read_mask(folder / "RTSTRUCT", volume, ROI_NAMES | {"both": ["lt lung"]}, True) == 1
    air = volume.voxels < (1250 - 400) * 43
    assert air[mask].mean() > 0.9
    assert np.argwhere(mask)[:, 0].max() < np.argwhere(air & (volume.voxels > 0))[:, 0].max()
    around = np.zeros_like(mask)
    i0, j0, k0 = np.argwhere(mask).min(axis=0)
    i1, j1, k1 = np.argwhere(mask).max(axis=0) + 1
    around[i0:i1, j0:j1, k0:k1] = True
    dice = 2 * (mask & air).sum() / (mask.sum() + (air & around).sum())
    assert dice > 0.85
