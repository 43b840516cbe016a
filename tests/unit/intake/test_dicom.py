"""Convert stored values to HU in their place, against formulas and against other readers."""

import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.pixels import pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from lungsight.errors import BadCase
from lungsight.intake import headers
from lungsight.intake.decode import sign_extended, stored_values
from lungsight.intake.dicom import read_dicom
from lungsight.intake.hounsfield import jumps, percentiles, to_hounsfield
from lungsight.intake.slice_files import read_headers
from lungsight.intake.volume import Volume, Window, slope_of, write_nifti
from tests.factories.dicom import compress_as_jpeg_lossless, made_hu, made_series, save_series, set_pixels

WINDOW = Window(-1250, 250)


def converted(folder, min_slices=1):
    return read_dicom(folder, folder, WINDOW, min_slices)


def values(volume):
    return volume.voxels / volume.max_code


def expected(hu):
    return ((np.clip(hu, -1250, 250) + 1250) / 1500).transpose(2, 1, 0)[::-1, ::-1]


def test_to_hounsfield_is_slope_times_stored_plus_intercept():
    stored = np.array([[0, 1], [4095, -7]], np.int16)
    hounsfield = to_hounsfield(stored, 0.5, -1000.25)
    assert hounsfield.dtype == np.float32
    np.testing.assert_array_equal(hounsfield, [[-1000.25, -999.75], [1047.25, -1003.75]])
    with pytest.raises(BadCase, match="RescaleSlope"):
        to_hounsfield(stored, 0, 0)


def test_every_slice_has_its_own_slope(tmp_path):
    hu = made_hu()
    datasets = made_series(hu)
    for k, dataset in enumerate(datasets):
        slope = 0.25 * (k + 1)
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, -1024
        set_pixels(dataset, np.rint((hu[k] + 1024) / slope))
    stored = np.stack([dataset.pixel_array * dataset.RescaleSlope - 1024 for dataset in datasets]).astype(float)
    np.testing.assert_allclose(values(converted(save_series(tmp_path, datasets))), expected(stored), atol=1e-5)


def test_a_wrong_intercept_is_noted(tmp_path):
    datasets = made_series()
    datasets[4].RescaleIntercept = 0
    volume = converted(save_series(tmp_path, datasets))
    assert volume.notes == ["HU jump between slices 4 and 5 (and at 1 other places)"]
    assert [doubt.certain for doubt in volume.doubts] == [True]


def test_changing_anatomy_is_no_jump():
    samples = list(made_hu().astype(np.float32))
    assert jumps(samples) == []
    assert jumps([samples[0], samples[1] + 60]) == [1]
    assert jumps(samples[:1]) == []


def test_monochrome1_leaves_hu_alone(tmp_path):
    datasets = made_series()
    for dataset in datasets:
        dataset.PhotometricInterpretation = "MONOCHROME1"
    np.testing.assert_allclose(values(converted(save_series(tmp_path, datasets))), expected(made_hu()), atol=1e-12)


def test_colour_is_refused(tmp_path):
    datasets = made_series()
    for dataset in datasets:
        dataset.PhotometricInterpretation = "RGB"
    with pytest.raises(BadCase, match=r"\(0028,0004\)"):
        converted(save_series(tmp_path, datasets))


def test_padding_is_clipped_to_the_window(tmp_path):
    hu = made_hu()
    hu[:, :3] = -3024
    datasets = made_series(hu)
    for dataset in datasets:
        dataset.add_new("PixelPaddingValue", "SS", -2000)
    volume = converted(save_series(tmp_path, datasets))
    assert (values(volume)[:, -3:] == 0).all()
    assert volume.acquisition.hu_p01 == -3024


def test_padding_may_be_the_smallest_value_of_16_bits(tmp_path):
    hu = made_hu()
    datasets = made_series(hu)
    for dataset in datasets:
        stored = dataset.pixel_array.astype(np.int16)
        stored[:3] = -32768
        set_pixels(dataset, stored)
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 15, 1
        dataset.add_new("PixelPaddingValue", "SS", -32768)
    assert (values(converted(save_series(tmp_path, datasets)))[:, -3:] == 0).all()


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_syntaxes_are_bit_equal(tmp_path, syntax):
    hu = made_hu(rows=64, columns=80)
    datasets = made_series(hu)
    for dataset in datasets:
        dataset.compress(syntax, generate_instance_uid=False)
    np.testing.assert_allclose(values(converted(save_series(tmp_path, datasets))), expected(hu), atol=1e-12)


@pytest.mark.parametrize(("bits", "signed"), [(16, 1), (16, 0), (12, 0), (13, 1)])
def test_jpeg_lossless_is_bit_equal_between_decoders(tmp_path, bits, signed):
    dataset = made_series(made_hu(n=1, rows=64, columns=80))[0]
    stored = dataset.pixel_array - (0 if not signed else 1100)
    stored = np.clip(stored, -(1 << bits - 1) if signed else 0, (1 << bits - signed) - 1).astype(np.int16)
    set_pixels(dataset, stored)
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, signed
    compress_as_jpeg_lossless(dataset)
    folder = save_series(tmp_path, [dataset])
    header = read_headers(folder, folder)[0][0]
    np.testing.assert_array_equal(stored_values(header).values, stored)
    for plugin in ("gdcm", "pylibjpeg"):
        other = pixel_array(pydicom.dcmread(folder / "001.dcm"), raw=True, decoding_plugin=plugin)
        np.testing.assert_array_equal(sign_extended(other, bits, bool(signed)), stored)


def test_big_endian_and_deflated(tmp_path):
    for syntax in (ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian):
        datasets = made_series()
        for dataset in datasets:
            if syntax == ExplicitVRBigEndian:
                dataset.PixelData = dataset.pixel_array.astype(">i2").tobytes()
            dataset.file_meta.TransferSyntaxUID = syntax
        folder = save_series(tmp_path / syntax.replace(".", ""), datasets)
        np.testing.assert_allclose(values(converted(folder)), expected(made_hu()), atol=1e-12)


def test_a_deflate_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(headers, "MAX_INFLATED", 1 << 20)
    dataset = made_series(made_hu(n=1))[0]
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    folder = save_series(tmp_path, [dataset])
    head = (folder / "001.dcm").read_bytes()
    start = 144 + int.from_bytes(head[140:144], "little")
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    (folder / "001.dcm").write_bytes(head[:start] + squeeze.compress(bytes(2 << 20)) + squeeze.flush())
    with pytest.raises(BadCase, match="inflates beyond"):
        converted(folder)


@pytest.mark.parametrize("filled", [True, False])
def test_signed_values_of_12_bits(filled):
    signed = np.array([[-2048, -1, 0, 2047]], np.int16)
    stored = signed if filled else (signed & 0x0FFF).astype(np.uint16)
    np.testing.assert_array_equal(sign_extended(stored, 12, signed=True), signed)


def test_bits_above_those_stored_are_refused():
    with pytest.raises(BadCase, match="BitsStored"):
        sign_extended(np.array([[0x1001]], np.uint16), 12, signed=False)


def test_percentiles_are_those_of_all_samples():
    samples = list(made_hu().astype(np.float32))
    assert percentiles(samples) == pytest.approx(tuple(np.percentile(made_hu(), [1, 50, 99])))


def hounsfield_of(path: Path) -> tuple[np.ndarray, np.ndarray]:
    image = nibabel.as_closest_canonical(nibabel.load(path))
    return image.get_fdata(), image.affine


def by_simpleitk(folder: Path, out: Path) -> tuple[np.ndarray, np.ndarray]:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    SimpleITK.WriteImage(reader.Execute(), str(out / "itk.nii"))
    return hounsfield_of(out / "itk.nii")


def by_dcm2niix(folder: Path, out: Path) -> tuple[np.ndarray, np.ndarray]:
    tool = Path(sys.executable).with_name("dcm2niix")
    if not tool.exists():
        pytest.skip("dcm2niix is absent")
    subprocess.run([tool, "-z", "n", "-b", "n", "-f", "peer", "-o", out, folder], check=True, capture_output=True)
    return hounsfield_of(next(out.glob("peer*.nii")))


def assert_equals_peer(volume: Volume, peer: tuple[np.ndarray, np.ndarray]) -> None:
    hounsfield, affine = peer
    np.testing.assert_allclose(volume.affine, affine, atol=1e-3)
    windowed = (np.clip(hounsfield, -1250, 250) + 1250) / 1500
    assert volume.voxels.shape == hounsfield.shape
    assert np.abs(values(volume) - windowed).max() < 1e-6


OBLIQUE = (np.cos(0.1), np.sin(0.1), 0, -np.sin(0.1) * np.cos(0.2), np.cos(0.1) * np.cos(0.2), np.sin(0.2))


@pytest.mark.parametrize("peer", [by_simpleitk, by_dcm2niix])
@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, -1, 0), (1, 0, 0, 0, -1, 0), OBLIQUE])
def test_hu_and_affine_equal_those_of_other_readers(tmp_path, peer, orientation):
    folder = save_series(tmp_path / "series", made_series(orientation=orientation))
    assert_equals_peer(converted(folder), peer(folder, tmp_path))


@pytest.mark.parametrize("peer", [by_simpleitk, by_dcm2niix])
def test_real_series_equals_other_readers(real_ct, tmp_path, peer):
    folder = shutil.copytree(real_ct / "lung_dx_A0002", tmp_path / "series")
    volume = converted(folder)
    assert volume.voxels.shape == (512, 512, 30) and volume.notes == []
    assert_equals_peer(volume, peer(folder, tmp_path))


def test_real_jpeg_2000_series_equals_simpleitk(real_ct, tmp_path):
    volume = converted(real_ct / "thorax_rt" / "CT")
    assert volume.voxels.shape == (512, 512, 98)
    assert_equals_peer(volume, by_simpleitk(real_ct / "thorax_rt" / "CT", tmp_path))


def test_real_slices_equal_simpleitk(real_ct):
    for file in sorted((real_ct / "sbu").rglob("*.dcm")):
        if "REFORMATTED" in pydicom.dcmread(file, stop_before_pixels=True).ImageType:
            continue
        peer = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file)))
        np.testing.assert_allclose(values(read_dicom(file, file.parent, WINDOW, 1)), expected(peer), atol=1e-6)


def test_real_slice_in_lossless_syntaxes_is_the_same(real_ct):
    folder = real_ct / "edge" / "wg04_chest_CT1"
    slices = [values(read_dicom(folder / f"CT1_{name}.dcm", folder, WINDOW, 1)) for name in ("J2KR", "JLSL", "JPLL")]
    folder = real_ct / "edge" / "cornerstone"
    other = [values(read_dicom(file, folder, WINDOW, 1)) for file in sorted(folder.glob("CTImage*.dcm"))]
    assert len(other) == 4
    for same in (slices, other):
        for image in same[1:]:
            np.testing.assert_array_equal(image, same[0])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("dicom2nifti_geometry/gantrytilting", "tilted gantry"),
        ("dicom2nifti_geometry/sliceincrement", "a slice is missing: 10 mm between slices 3 and 4, 5 mm elsewhere"),
        ("dicom2nifti_geometry/notavolume", "one position and different pixels"),
        ("pydicom", "no CT slice; left out 1 × localizer, projection or reformatted"),
        ("cornerstone/no-pixel-data.dcm", "no CT slice"),
    ],
)
def test_unusable_real_series_are_refused(real_ct, name, reason):
    with pytest.raises(BadCase, match=reason):
        converted(real_ct / "edge" / name)


def test_every_frame_of_an_enhanced_ct_is_in_its_place(real_ct):
    file = real_ct / "edge" / "dcmqi_ct_seg" / "enhanced_ct_24x38x3_mf.dcm"
    volume = converted(file)
    dataset = pydicom.dcmread(file)
    assert volume.voxels.shape == (24, 38, 3)
    for number, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        position = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        index = np.linalg.inv(volume.affine) @ [-position[0], -position[1], position[2], 1]
        i, j, k = np.rint(index[:3]).astype(int)
        np.testing.assert_allclose(index[:3], [i, j, k], atol=1e-3)
        frame = volume.voxels[::-1, ::-1, k].T
        stored = np.clip(dataset.pixel_array[number].astype(float), -1250, 250)
        np.testing.assert_allclose(frame / volume.max_code, (stored + 1250) / 1500, atol=1e-6)


def test_real_slices_without_modality_count_by_their_sop_class(real_ct):
    assert converted(real_ct / "edge" / "lungmask_testdata").voxels.shape == (512, 512, 2)


def test_a_written_nifti_reads_back_with_the_hu_of_another_reader(tmp_path):
    folder = save_series(tmp_path / "series", made_series())
    volume = converted(folder)
    write_nifti(tmp_path / "ours.nii.gz", volume.voxels, volume.affine, slope_of(volume.max_code))
    image = nibabel.load(tmp_path / "ours.nii.gz")
    hounsfield, affine = by_simpleitk(folder, tmp_path)
    np.testing.assert_allclose(image.affine, affine, atol=1e-3)
    np.testing.assert_array_equal(np.rint(image.get_fdata() * 1500 - 1250), np.clip(hounsfield, -1250, 250))
