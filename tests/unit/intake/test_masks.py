"""Read the lung mask of a case from RTSTRUCT, DICOM SEG and NIfTI."""

import copy
import gzip
import shutil

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from lungsight.errors import BadCase
from lungsight.intake.dicom import read_dicom
from lungsight.intake.geometry import LPS_TO_RAS
from lungsight.intake.masks import LABELMAP, read_mask
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


def planes(region):
    """A region of REGIONS as bool (slices, rows, columns)."""
    mask = np.zeros((8, 24, 32), bool)
    if region == "Lung-Right":
        mask[2, 4:16, 2:10] = True
    elif region == "Lung-Left":
        mask[2, 4:16, 20:28] = mask[3, 5:7, 20:22] = True
    else:
        mask[2, 10:18, 25:31] = True
    return mask


def in_canonical_axes(*regions):
    """The union of regions, as a mask of the canonical volume."""
    return np.any([planes(region) for region in regions], axis=0).transpose(2, 1, 0)[::-1, ::-1]


LUNGS = in_canonical_axes("Lung-Right", "Lung-Left")


def truth(tumour: bool) -> np.ndarray:
    """The mask of REGIONS, with or without the tumour."""
    return LUNGS | in_canonical_axes("GTV-1") if tumour else LUNGS & ~in_canonical_axes("GTV-1")


def hu_with_lungs(seed: int = 0) -> np.ndarray:
    """HU of a made series with lung where REGIONS lie."""
    hu = made_hu(seed=seed)
    hu[planes("Lung-Right") | planes("Lung-Left")] = -850
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
    with pytest.raises(BadCase, match="the left lung's contours contain no pixel"):
        read_mask(folder, volume, ROI_NAMES, True)


@pytest.mark.parametrize("left", ["outside", "points", "twice"])
def test_one_lung_without_a_pixel_is_refused(volume, tmp_path, left):
    """Outside the image, points alone, two equal contours that XOR cancels."""
    drawn = REGIONS["Lung-Left"][:1]
    dataset = made_rtstruct(
        {"Lung-Right": REGIONS["Lung-Right"], "Lung-Left": [drawn[0] + [0, 500, 0]] if left == "outside" else drawn * 2}
    )
    for contour in dataset.ROIContourSequence[1].ContourSequence:
        contour.ContourGeometricType = {"points": "POINT", "twice": "CLOSEDPLANAR_XOR"}.get(left, "CLOSED_PLANAR")
    folder = save_series(tmp_path / left, [dataset])
    with pytest.raises(BadCase, match="the left lung's contours contain no pixel"):
        read_mask(folder, volume, ROI_NAMES, True)


def test_contours_of_another_frame_are_refused(volume, tmp_path):
    folder = save_series(tmp_path / "other", [made_rtstruct(REGIONS, frame=uid("other"))])
    with pytest.raises(BadCase, match="FrameOfReferenceUID"):
        read_mask(folder, volume, ROI_NAMES, True)


@pytest.mark.parametrize("kind", ["RTSTRUCT", "SEG"])
def test_a_mask_of_another_patient_is_refused(volume, tmp_path, kind):
    segments = {name: planes(name) for name in REGIONS}
    dataset = made_rtstruct(REGIONS) if kind == "RTSTRUCT" else made_segmentation(described_series(), segments)
    assert volume.patient == "MRN-4711" and "4711" not in repr(volume)
    for patient, same in [("MRN-4712", False), ("7", False), (" mrn-04711 ", True), ("", True), ("unknown", True)]:
        dataset.PatientID = patient
        dataset.save_as(tmp_path / "m.dcm", enforce_file_format=True)
        if same:
            read_mask(tmp_path / "m.dcm", volume, ROI_NAMES, False)
            continue
        with pytest.raises(BadCase, match="the mask is of another patient") as caught:
            read_mask(tmp_path / "m.dcm", volume, ROI_NAMES, False)
        assert "MRN" not in str(caught.value) and caught.value.__cause__ is None


def test_other_files_are_no_mask(volume, tmp_path):
    (tmp_path / "text").write_text("lung")
    with pytest.raises(BadCase, match="no readable RTSTRUCT, SEG, NIfTI"):
        read_mask(tmp_path / "text", volume, ROI_NAMES, True)
    with pytest.raises(BadCase, match="neither RTSTRUCT nor SEG nor NIfTI"):
        read_mask(tmp_path / "ct" / "001.dcm", volume, ROI_NAMES, True)


def test_a_compressed_file_of_contours_is_called_so(volume, rtstruct):
    (rtstruct / "001.dcm").write_bytes(gzip.compress((rtstruct / "001.dcm").read_bytes()))
    with pytest.raises(BadCase, match="compressed as a whole: unpack it"):
        read_mask(rtstruct, volume, ROI_NAMES, True)


def made_segmentation(series, labels, kind="BINARY", **settings):
    """A DICOM SEG on a series; labels: segment name → bool or fraction (slices, rows, columns)."""
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


def described_series():
    """A made series with the patient's data that a SEG copies."""
    series = made_series()
    for dataset in series:
        dataset.PatientBirthDate, dataset.PatientSex, dataset.ReferringPhysicianName = "", "", ""
    return series


def test_segmentation_is_laid_on_the_images_grid(volume, tmp_path):
    segmentation = made_segmentation(described_series(), {name: planes(name) for name in REGIONS})
    segmentation.save_as(tmp_path / "seg.dcm")
    np.testing.assert_array_equal(read_mask(tmp_path / "seg.dcm", volume, ROI_NAMES, True), truth(True))
    np.testing.assert_array_equal(read_mask(tmp_path / "seg.dcm", volume, ROI_NAMES, False), truth(False))
    assert volume.notes == []


def test_a_label_map_is_read_as_its_segments(volume, tmp_path):
    labels = {name: planes(name) for name in ("Lung-Right", "Lung-Left")}
    segmentation = made_segmentation(described_series(), labels, "LABELMAP")
    assert segmentation.SOPClassUID == LABELMAP
    segmentation.save_as(tmp_path / "seg.dcm")
    np.testing.assert_array_equal(read_mask(tmp_path / "seg.dcm", volume, ROI_NAMES, True), LUNGS)


@pytest.mark.parametrize("fractional_type", ["PROBABILITY", "OCCUPANCY"])
@pytest.mark.parametrize("most", [255, 100, 1])
def test_fractions_count_from_half_of_their_greatest(volume, tmp_path, fractional_type, most):
    around = planes("Lung-Right") * 1.0
    around[2, 3] = 0.25 if most > 1 else 0
    labels = {"Lung-Right": around, "Lung-Left": planes("Lung-Left") * (0.5 if most > 1 else 1.0)}
    settings = {"fractional_type": fractional_type, "max_fractional_value": most}
    made_segmentation(described_series(), labels, "FRACTIONAL", **settings).save_as(tmp_path / "seg.dcm")
    np.testing.assert_array_equal(read_mask(tmp_path / "seg.dcm", volume, ROI_NAMES, True), LUNGS)


def test_a_compressed_segmentation_is_decoded_and_a_damaged_one_refused(volume, tmp_path):
    labels = {name: planes(name) * 1.0 for name in ("Lung-Right", "Lung-Left")}
    path = tmp_path / "seg.dcm"
    made_segmentation(described_series(), labels, "FRACTIONAL", transfer_syntax_uid=RLELossless).save_as(path)
    np.testing.assert_array_equal(read_mask(path, volume, ROI_NAMES, True), LUNGS)
    raw = path.read_bytes()
    start = raw.index(b"\xe0\x7f\x10\x00")
    path.write_bytes(raw[: start + 60] + b"\xff" * 200 + raw[start + 260 :])
    with pytest.raises(BadCase, match="damaged"):
        read_mask(path, volume, ROI_NAMES, True)


def without_preamble(path, dataset, syntax=ExplicitVRLittleEndian):
    """Write the bare data set, as old archives do."""
    dataset = copy.deepcopy(dataset)
    del dataset.file_meta
    dataset.preamble = None
    implicit = syntax == ImplicitVRLittleEndian
    pydicom.dcmwrite(path, dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    assert path.read_bytes()[128:132] != b"DICM"
    return path


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_masks_without_preamble_are_read(volume, tmp_path, syntax):
    path = without_preamble(tmp_path / "rt.dcm", made_rtstruct(REGIONS), syntax)
    np.testing.assert_array_equal(read_mask(path, volume, ROI_NAMES, True), truth(True))
    segmentation = made_segmentation(described_series(), {name: planes(name) for name in REGIONS})
    bare = without_preamble(tmp_path / "seg.dcm", segmentation, syntax)
    np.testing.assert_array_equal(read_mask(bare, volume, ROI_NAMES, True), truth(True))


def test_a_damaged_segmentation_is_refused(volume, tmp_path):
    segmentation = made_segmentation(described_series(), {name: planes(name) for name in REGIONS})
    del segmentation.SegmentSequence
    segmentation.save_as(tmp_path / "seg.dcm")
    with pytest.raises(BadCase, match="segmentation is damaged"):
        read_mask(tmp_path / "seg.dcm", volume, ROI_NAMES, True)


def test_two_regions_of_one_name_are_united(volume, tmp_path):
    """The inner version of a lung is no hole in the outer one."""
    dataset = made_rtstruct(REGIONS | {"second": [pixel_box((6, 12), (4, 7), 104)]})
    dataset.StructureSetROISequence[3].ROIName = "Lung-Right"
    folder = save_series(tmp_path / "twice", [dataset])
    np.testing.assert_array_equal(read_mask(folder, volume, ROI_NAMES, True), truth(True))
    assert volume.notes == ["2 regions are the right lung: they were united"]


def naming_series(dataset, series):
    """Let an RTSTRUCT say on which series it was drawn."""
    item = dataset
    for keyword in ("ReferencedFrameOfReferenceSequence", "RTReferencedStudySequence", "RTReferencedSeriesSequence"):
        setattr(item, keyword, [pydicom.Dataset()])
        item = item[keyword].value[0]
    item.SeriesInstanceUID = series
    return dataset


def test_contours_of_another_series_are_taken_where_they_fit_its_slices(volume, tmp_path):
    folder = save_series(tmp_path / "same", [naming_series(made_rtstruct(REGIONS), uid("series"))])
    read_mask(folder, volume, ROI_NAMES, True)
    assert volume.notes == []
    folder = save_series(tmp_path / "fits", [naming_series(made_rtstruct(REGIONS), uid("other"))])
    np.testing.assert_array_equal(read_mask(folder, volume, ROI_NAMES, True), truth(True))
    assert volume.notes == ["the contours name another series than the one that was read; they fit its slices"]
    beside = {name: [points + np.array([0, 0, 0.5]) for points in contours] for name, contours in REGIONS.items()}
    folder = save_series(tmp_path / "beside", [naming_series(made_rtstruct(beside), uid("other"))])
    with pytest.raises(BadCase, match="drawn on another series"):
        read_mask(folder, volume, ROI_NAMES, True)
    folder = save_series(tmp_path / "silent", [made_rtstruct(beside)])
    read_mask(folder, volume, ROI_NAMES, True)
    assert volume.notes[-1] == "the contours lie up to 0.25 of a slice beside the slices; the nearest were taken"


def test_contours_on_every_other_slice_are_refused(volume, tmp_path):
    heights = (102, 106, 110)
    hollow = {
        "Lung-Right": [pixel_box((4, 15), (2, 9), z) for z in range(102, 112, 2)],
        "Lung-Left": [pixel_box((4, 15), (20, 27), z) for z in heights],
    }
    folder = save_series(tmp_path / "hollow", [made_rtstruct(hollow)])
    with pytest.raises(BadCase, match="the left lung is empty on 2 of the slices between"):
        read_mask(folder, volume, ROI_NAMES, True)


def test_lungs_without_their_tumour(volume, tmp_path):
    names = ROI_NAMES | {"without_tumour": ["lungs-gtv"]}
    around = {"Lungs-GTV": [*REGIONS["Lung-Right"], *REGIONS["Lung-Left"]]}
    folder = save_series(tmp_path / "both", [made_rtstruct(around | {"GTV-1": REGIONS["GTV-1"]})])
    np.testing.assert_array_equal(read_mask(folder, volume, names, True), truth(True))
    np.testing.assert_array_equal(read_mask(folder, volume, names, False), truth(False))
    assert volume.notes == []
    folder = save_series(tmp_path / "alone", [made_rtstruct(around)])
    read_mask(folder, volume, names, True)
    assert volume.notes == ["the lungs were contoured without the tumour, and no tumour is contoured"]


def test_a_mask_on_soft_tissue_is_refused_by_its_hu(volume, rtstruct):
    with pytest.raises(BadCase, match="no lung by its HU"):
        read_mask(rtstruct, volume, ROI_NAMES, True, Window(-1250, 250))
    read_mask(rtstruct, volume, ROI_NAMES, True, Window(-1250, 250), "off")
    assert volume.notes == []
    read_mask(rtstruct, volume, ROI_NAMES, True, Window(-1250, 250), "note")
    assert any("no lung by its HU" in note for note in volume.notes)


@pytest.mark.parametrize("ending", ["mha", "nrrd", "NRRD"])
def test_nrrd_and_metaimage_masks_are_read(volume, tmp_path, ending):
    image = sitk.GetImageFromArray(np.ascontiguousarray(truth(True).T.astype(np.uint8)))
    lps = LPS_TO_RAS @ volume.affine
    image.SetSpacing([0.7, 0.8, 2.0])
    image.SetDirection((lps[:3, :3] / [0.7, 0.8, 2.0]).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    sitk.WriteImage(image, tmp_path / f"m.{ending.lower()}", True)
    (tmp_path / f"m.{ending.lower()}").rename(tmp_path / f"M.{ending}")
    np.testing.assert_array_equal(read_mask(tmp_path / f"M.{ending}", volume, ROI_NAMES, True), truth(True))


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
    with pytest.raises(BadCase, match="no lung by its HU"):
        read_mask(folder / "liver.dcm", volume, ROI_NAMES | {"both": ["liver"]}, True, Window(-1250, 250))


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
    mask = read_mask(folder / "RTSTRUCT", volume, ROI_NAMES | {"both": ["lt lung"]}, True, Window(-1250, 250)) == 1
    assert volume.notes == ["the lung mask lies on one side of the body alone"]
    air = volume.voxels < (1250 - 400) * 43
    assert air[mask].mean() > 0.9
    assert np.argwhere(mask)[:, 0].max() < np.argwhere(air & (volume.voxels > 0))[:, 0].max()
    around = np.zeros_like(mask)
    i0, j0, k0 = np.argwhere(mask).min(axis=0)
    i1, j1, k1 = np.argwhere(mask).max(axis=0) + 1
    around[i0:i1, j0:j1, k0:k1] = True
    dice = 2 * (mask & air).sum() / (mask.sum() + (air & around).sum())
    assert dice > 0.85
