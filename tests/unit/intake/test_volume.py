"""The window's codes, the NIfTI and the PNG that leave intake."""

import hashlib

import nibabel
import numpy as np
import pytest
from PIL import Image

from lungsight.intake.geometry import image_to_slice, slice_to_image, to_canonical
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
    codes = window.codes(hu)
    write_nifti(tmp_path / "v.nii.gz", codes[None, None, :], AFFINE, slope_of(window.full))
    read = nibabel.load(tmp_path / "v.nii.gz").get_fdata()[0, 0]
    np.testing.assert_array_equal(np.rint(read * (high - low) + low), np.clip(hu, low, high))
    assert read.min() == 0 and 1 - 1e-6 < read.max() <= 1
    assert nibabel.load(tmp_path / "v.nii.gz").get_fdata(dtype=np.float32).max() <= 1


@pytest.mark.parametrize(("low", "high"), [(-1250.5, 250), (0, 100000)])
def test_other_windows_are_coded_to_the_nearest(low, high):
    window = Window(low, high)
    hu = np.linspace(low, high, 1001, dtype=np.float32)
    read = window.codes(hu) * float(slope_of(window.full))
    np.testing.assert_allclose(read, (hu.astype(float) - low) / (high - low), atol=1 / 65535)


@pytest.mark.parametrize("full", [1, 255, 64500, 65535])
def test_the_largest_code_never_exceeds_1(full):
    assert 1 - 1e-6 < float(slope_of(full)) * full <= 1


def made_volume() -> Volume:
    hu = np.random.default_rng(5).integers(-1400, 400, (7, 5, 3)).astype(np.float32)
    window = Window(-1250, 250)
    return Volume(window.codes(hu), window.full, AFFINE, AcquisitionMetadata())


def test_png_is_the_rounded_nifti_in_lps_order(tmp_path):
    volume = made_volume()
    write_nifti(tmp_path / "v.nii.gz", volume.codes, volume.affine, slope_of(volume.full))
    values = nibabel.load(tmp_path / "v.nii.gz").get_fdata()
    for k, image in enumerate(volume.images()):
        write_png(tmp_path / "slice.png", image)
        with Image.open(tmp_path / "slice.png") as picture:
            assert picture.mode == "L" and picture.info == {}
            np.testing.assert_array_equal(np.asarray(picture), np.round(255 * values[::-1, ::-1, k].T))


def test_all_codes_give_the_png_that_the_nifti_gives():
    window = Window(-1250, 250)
    codes = np.arange(window.full + 1, dtype=np.uint16)[:, None, None]
    image = next(Volume(codes, window.full, AFFINE, AcquisitionMetadata()).images())
    read = codes[::-1, 0, 0] * float(slope_of(window.full))
    np.testing.assert_array_equal(image[0], np.round(255 * read))


def test_nifti_has_the_affine_no_text_and_the_same_bytes_each_time(tmp_path):
    volume = made_volume()
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(tmp_path / name, volume.codes, volume.affine, slope_of(volume.full))
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


def test_sha256_counts_the_shape():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert sha256_of_image(image) == hashlib.sha256(b"(2, 3)" + bytes(range(6))).hexdigest()
    assert sha256_of_image(image) != sha256_of_image(image.reshape(3, 2))
    assert sha256_of_image(np.asfortranarray(image)) == sha256_of_image(image)


def test_slice_and_image_are_inverse():
    plane = np.arange(12).reshape(4, 3)
    image = slice_to_image(plane)
    assert image.shape == (3, 4) and image[0, 0] == plane[-1, -1]
    np.testing.assert_array_equal(image_to_slice(image), plane)


def test_to_canonical_agrees_with_nibabel():
    rng = np.random.default_rng(8)
    array = rng.normal(size=(4, 5, 6))
    affine = np.array([[0, -0.9, 0.1, 3], [0.8, 0.1, 0, -7], [0, 0.1, -2, 9], [0, 0, 0, 1.0]])
    turned, turned_affine = to_canonical(array, affine)
    peer = nibabel.as_closest_canonical(nibabel.Nifti1Image(array, affine))
    np.testing.assert_array_equal(turned, peer.get_fdata())
    np.testing.assert_allclose(turned_affine, peer.affine)
