"""Convert NIfTI volumes, or refuse them with a reason."""

import nibabel
import numpy as np
import pytest

from lungsight.errors import BadCase
from lungsight.intake.nifti import load_volume, read_nifti, value_range
from lungsight.intake.volume import Window
from tests.factories.dicom import made_hu

WINDOW = Window(-1250, 250)
LPS = np.diag([-0.7, -0.8, 2.5, 1.0])


def save(path, values, affine=LPS, slope=None, dtype=np.int16):
    image = nibabel.Nifti1Image(values.astype(dtype), affine)
    if slope:
        image.header.set_slope_inter(*slope)
    nibabel.save(image, path)
    return path


def ijk(n=6):
    return made_hu(n=n).transpose(2, 1, 0)


def test_hu_volume_becomes_canonical_and_windowed(tmp_path):
    volume = read_nifti(save(tmp_path / "v.nii.gz", ijk()), WINDOW, 5)
    wanted = (np.clip(ijk(), -1250, 250) + 1250) / 1500
    np.testing.assert_allclose(volume.voxels / volume.max_code, wanted[::-1, ::-1], atol=1e-12)
    assert nibabel.aff2axcodes(volume.affine) == ("R", "A", "S")
    acquisition = volume.acquisition
    assert (acquisition.rows, acquisition.columns, acquisition.spacing_slice) == (24, 32, 2.5)
    assert (acquisition.spacing_row, acquisition.spacing_column) == pytest.approx((0.8, 0.7))
    assert acquisition.hu_p50 == pytest.approx(np.percentile(ijk(), 50), abs=20)


def test_scl_slope_is_honoured(tmp_path):
    volume = read_nifti(save(tmp_path / "v.nii", ijk() * 2 + 2048, slope=(0.5, -1024)), WINDOW, 5)
    wanted = (np.clip(ijk(), -1250, 250) + 1250) / 1500
    np.testing.assert_allclose(volume.voxels / volume.max_code, wanted[::-1, ::-1], atol=1e-6)


def test_a_volume_in_0_to_1_is_not_windowed(tmp_path):
    values = np.random.default_rng(1).random((8, 7, 6))
    volume = read_nifti(save(tmp_path / "v.nii", values, dtype=np.float32), WINDOW, 5)
    np.testing.assert_allclose(volume.voxels / volume.max_code, values[::-1, ::-1], atol=1e-5)
    assert volume.acquisition.hu_p50 is None


def test_hu_and_unit_values_are_recognised():
    assert value_range(np.array([0.0, 1.0])) == "unit"
    assert value_range(np.array([-1024.0, 3000.0])) == "hu"
    with pytest.raises(BadCase, match="values from 0 to 255 are neither"):
        value_range(np.array([0.0, 255.0]))


def test_the_config_may_fix_what_the_values_are(tmp_path):
    path = save(tmp_path / "v.nii", np.full((8, 7, 6), 40))
    assert read_nifti(path, WINDOW, 5, values_are="hu").voxels[0, 0, 0] == round(1290 / 1500 * 64500)
    with pytest.raises(BadCase, match="not in \\[0, 1\\]"):
        read_nifti(path, WINDOW, 5, values_are="unit")


def test_a_single_slice_may_have_two_axes_or_a_trailing_one(tmp_path):
    assert read_nifti(save(tmp_path / "a.nii", ijk()[:, :, 0]), WINDOW, 1).voxels.shape == (32, 24, 1)
    assert read_nifti(save(tmp_path / "b.nii", ijk()[..., None]), WINDOW, 1).voxels.shape == (32, 24, 6)


def refused(path, min_slices=1):
    with pytest.raises(BadCase) as caught:
        read_nifti(path, WINDOW, min_slices)
    return str(caught.value)


def test_unusable_volumes_are_refused_with_a_reason(tmp_path):
    assert refused(save(tmp_path / "a.nii", np.zeros((4, 4, 4, 2)))) == "the NIfTI has 4 axes; one volume has 3"
    holed = ijk().astype(np.float32)
    holed[3, 3, 3] = np.nan
    assert refused(save(tmp_path / "b.nii", holed, dtype=np.float32)) == "the NIfTI holds NaN or infinite values"
    assert refused(save(tmp_path / "c.nii", ijk(3)), min_slices=5) == "3 slices, min_slices is 5"
    image = nibabel.Nifti1Image(ijk().astype(np.int16), None)
    image.header["sform_code"] = image.header["qform_code"] = 0
    nibabel.save(image, tmp_path / "d.nii")
    assert "does not say how it lies" in refused(tmp_path / "d.nii")
    (tmp_path / "e.nii.gz").write_bytes(b"no")
    assert refused(tmp_path / "e.nii.gz") == "the file is no readable NIfTI"
    whole = save(tmp_path / "f.nii.gz", ijk()).read_bytes()
    (tmp_path / "f.nii.gz").write_bytes(whole[: len(whole) // 2])
    assert refused(tmp_path / "f.nii.gz") == "the NIfTI is truncated or damaged"
    (tmp_path / "g.nii").write_bytes(save(tmp_path / "g.nii", ijk()).read_bytes()[:900])
    assert refused(tmp_path / "g.nii") == "the NIfTI is truncated or damaged"


def test_a_header_that_lies_about_its_size_is_refused_before_reading(tmp_path):
    path = save(tmp_path / "v.nii", ijk())
    raw = bytearray(path.read_bytes())
    raw[42:48] = np.array([30000, 30000, 30000], "<i2").tobytes()
    path.write_bytes(raw)
    assert refused(path) == "the NIfTI's header says it is larger than any CT"


def test_load_agrees_with_nibabel_on_a_turned_volume(tmp_path):
    affine = np.array([[0, 0.8, 0, 1], [0, 0, -2.5, 2], [0.7, 0, 0, 3], [0, 0, 0, 1.0]])
    path = save(tmp_path / "v.nii.gz", ijk(), affine)
    values, turned, _ = load_volume(path)
    peer = nibabel.as_closest_canonical(nibabel.load(path))
    np.testing.assert_array_equal(values, peer.get_fdata())
    np.testing.assert_allclose(turned, peer.affine)
