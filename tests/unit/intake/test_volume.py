"""Encode HU by the window, and write the NIfTI and the PNG that leave intake."""

import hashlib

import nibabel
import numpy as np
import pytest
from PIL import Image

from lungsight.intake.volume import (
    AcquisitionMetadata,
    Volume,
    Window,
    sha256_of_image,
    slope_of,
    write_nifti,
    write_png,
)

AFFINE = np.array([[0.7, 0, 0, -90], [0, 0.8, 0, -110], [0, 0, 2.5, 40], [0, 0, 0, 1.0]])


@pytest.mark.parametrize(("low", "high"), [(-1250, 250), (-1000, 400), (-160, 240), (0, 1), (-1024, 30000)])
def test_every_integer_hu_in_the_window_comes_back_exactly(tmp_path, low, high):
    window = Window(low, high)
    hu = np.arange(low - 3, high + 4, dtype=np.float32)
    codes = window.encode(hu)
    write_nifti(tmp_path / "v.nii.gz", codes[None, None, :], AFFINE, slope_of(window.max_code))
    read = nibabel.load(tmp_path / "v.nii.gz").get_fdata()[0, 0]
    np.testing.assert_array_equal(np.rint(read * (high - low) + low), np.clip(hu, low, high))
    assert read.min() == 0 and 1 - 1e-6 < read.max() <= 1
    assert nibabel.load(tmp_path / "v.nii.gz").get_fdata(dtype=np.float32).max() <= 1


@pytest.mark.parametrize(("low", "high"), [(-1250.5, 250), (0, 100000)])
def test_other_windows_are_encoded_to_the_nearest_code(low, high):
    window = Window(low, high)
    hu = np.linspace(low, high, 1001, dtype=np.float32)
    read = window.encode(hu) * float(slope_of(window.max_code))
    np.testing.assert_allclose(read, (hu.astype(float) - low) / (high - low), atol=1 / 65535)


@pytest.mark.parametrize("max_code", [1, 255, 64500, 65535])
def test_the_largest_code_never_exceeds_1(max_code):
    assert 1 - 1e-6 < float(slope_of(max_code)) * max_code <= 1


def made_volume() -> Volume:
    hu = np.random.default_rng(5).integers(-1400, 400, (7, 5, 3)).astype(np.float32)
    window = Window(-1250, 250)
    return Volume(window.encode(hu), window.max_code, AFFINE, AcquisitionMetadata())


def test_a_png_is_the_rounded_nifti_in_lps_order(tmp_path):
    volume = made_volume()
    write_nifti(tmp_path / "v.nii.gz", volume.voxels, volume.affine, slope_of(volume.max_code))
    values = nibabel.load(tmp_path / "v.nii.gz").get_fdata()
    for k, image in enumerate(volume.images()):
        write_png(tmp_path / "slice.png", image)
        with Image.open(tmp_path / "slice.png") as picture:
            assert picture.mode == "L" and picture.info == {}
            np.testing.assert_array_equal(np.asarray(picture), np.round(255 * values[::-1, ::-1, k].T))


def test_every_code_has_the_same_value_in_png_and_nifti():
    window = Window(-1250, 250)
    codes = np.arange(window.max_code + 1, dtype=np.uint16)[:, None, None]
    image = next(Volume(codes, window.max_code, AFFINE, AcquisitionMetadata()).images())
    read = codes[::-1, 0, 0] * float(slope_of(window.max_code))
    np.testing.assert_array_equal(image[0], np.round(255 * read))


def test_a_nifti_has_the_affine_no_text_and_the_same_bytes_each_time(tmp_path):
    volume = made_volume()
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(tmp_path / name, volume.voxels, volume.affine, slope_of(volume.max_code))
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    image = nibabel.load(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
    np.testing.assert_allclose(image.get_qform(), AFFINE, atol=1e-4)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    for name in ("descrip", "aux_file", "db_name", "intent_name"):
        assert not image.header[name].item().strip(b"\0")
    assert (tmp_path / "a.nii.gz").read_bytes()[3] == 0  # no file name in the gzip header


def test_masks_keep_their_labels(tmp_path):
    mask = (np.arange(24).reshape(2, 3, 4) % 3 == 0).astype(np.uint8)
    write_nifti(tmp_path / "m.nii.gz", mask, AFFINE)
    np.testing.assert_array_equal(np.asarray(nibabel.load(tmp_path / "m.nii.gz").dataobj), mask)


def test_the_hash_of_an_image_covers_its_shape():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert sha256_of_image(image) == hashlib.sha256(b"(2, 3)" + bytes(range(6))).hexdigest()
    assert sha256_of_image(image) != sha256_of_image(image.reshape(3, 2))
    assert sha256_of_image(np.asfortranarray(image)) == sha256_of_image(image)
