"""A NIfTI whose header contradicts itself is refused or noted; whatever lies right is read as nibabel reads it."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from lungsight.errors import BadCase
from lungsight.intake.nifti import read_nifti
from lungsight.intake.nifti_affine import spacing_is_possible
from lungsight.intake.volume import Window, write_nifti
from tests.factories.dicom import made_hu

WINDOW = Window(-1250, 250)
LPS = np.diag([-0.7, -0.8, 2.5, 1.0])
LPS[:3, 3] = 11, 23, -40
TURNED = np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


def turned(angle: float) -> np.ndarray:
    """A rotation about the feet-head axis, in degrees."""
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


def saved(path: Path, sform=LPS, qform=LPS, kind=nibabel.Nifti1Image, hu=None, **fields) -> Path:
    """Write made HU with two forms (None: code 0), and then fields of the header as raw numbers."""
    hu = made_hu(n=6) if hu is None else hu
    image = kind(hu.transpose(2, 1, 0).astype(np.int16), None)
    image.header.set_xyzt_units("mm")
    for name, form in (("qform", qform), ("sform", sform)):
        if form is None:
            image.header[f"{name}_code"] = 0
        else:
            getattr(image, f"set_{name}")(form, 1)
            image.header.set_zooms(np.linalg.norm((form if qform is None else qform)[:3, :3], axis=0))
    nibabel.save(image, path)
    raw = path.read_bytes()
    size = image.header.template_dtype.itemsize
    header = type(image.header)(raw[:size], check=False)
    for field, value in fields.items():
        header[field] = value
    path.write_bytes(header.binaryblock + raw[size:])
    return path


def pixdim(*edges, qfac=1.0):
    return np.array([qfac, *edges, 1, 1, 1, 1], np.float32)


def read(path: Path):
    return read_nifti(path, WINDOW, 1)


def refused(path: Path) -> str:
    with pytest.raises(BadCase) as caught:
        read(path)
    return str(caught.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "v.nii"


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    return read(saved(tmp_path_factory.mktemp("control") / "v.nii"))


def assert_same(volume, control, notes=()):
    np.testing.assert_array_equal(volume.voxels, control.voxels)
    np.testing.assert_allclose(volume.affine, control.affine, atol=1e-4)
    assert volume.notes == list(notes)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("forms", [{}, {"sform": None}, {"qform": None}])
def test_either_form_or_both_say_how_it_lies(path, control, kind, forms):
    assert_same(read(saved(path, kind=kind, **forms)), control)


@pytest.mark.parametrize(
    ("qform", "reason"),
    [
        (LPS @ np.diag([1, 1, 0.75, 1]), "disagree: voxels of 0.7 × 0.8 × 2.5 mm and of 0.7 × 0.8 × 1.875 mm"),
        (LPS @ np.diag([1, 1, -1, 1]), "disagree in the direction"),
        (np.diag([-1, -1, 1, 1]) @ LPS, "disagree in the direction"),
        (turned(1) @ LPS, "disagree in the direction"),
        (TURNED @ LPS, "disagree in the direction"),
    ],
)
def test_forms_that_disagree_are_refused(path, qform, reason):
    assert reason in refused(saved(path, qform=qform))


def test_forms_of_two_places_get_a_note(path, control):
    moved = LPS.copy()
    moved[2, 3] += 30
    note = "the NIfTI's sform and qform lie 30 mm apart; the sform was taken"
    assert_same(read(saved(path, qform=moved)), control, [note])


@pytest.mark.parametrize("angle", [0, 17.3, 45, 179.9, 180])
def test_rounding_is_no_disagreement(path, angle):
    """A quaternion of 32 bits is off by 7e-4 at worst, near half a turn."""
    affine = turned(angle) @ LPS
    assert read(saved(path, sform=affine, qform=affine)).notes == []


@pytest.mark.parametrize(
    "fields",
    [
        {"pixdim": pixdim(0.7, 0.8, 0)},
        {"pixdim": pixdim(0.7, 0.8, 1e-6)},
        {"pixdim": pixdim(0.7, 0.8, 250)},
        {"pixdim": pixdim(0.7, -0.8, 2.5)},
        {"pixdim": pixdim(0.7, 0.8, np.nan)},
        {"pixdim": pixdim(0.7, 0.8, 2.5, qfac=0.5)},
        {"quatern_b": 3.0},
        {"quatern_c": np.nan},
        {"qoffset_x": np.inf},
    ],
)
def test_an_impossible_qform_yields_to_the_sform_and_is_refused_alone(path, control, fields):
    note = "the NIfTI's qform is impossible; its sform was taken"
    assert_same(read(saved(path, **fields)), control, [note])
    assert "the spacing of the NIfTI's qform is that of no CT" in refused(saved(path, sform=None, **fields))


@pytest.mark.parametrize(
    "row", [(0, 0, 0, 0), (np.nan, 0, 0, 0), (-700, 0, 0, 11), (-7e-5, 0, 0, 11), (0, -0.8, 0, 11)]
)
def test_an_impossible_sform_yields_to_the_qform_and_is_refused_alone(path, control, row):
    note = "the NIfTI's sform is impossible; its qform was taken"
    assert_same(read(saved(path, srow_x=row)), control, [note])
    assert "the spacing of the NIfTI's sform is that of no CT" in refused(saved(path, qform=None, srow_x=row))


def test_a_sform_alone_is_compared_with_pixdim(path, control):
    for unset in (pixdim(1, 1, 1), pixdim(0, 0, 0), pixdim(0.7, 0.8, np.nan)):
        note = "the NIfTI's pixdim was not set; the spacing of its sform was taken"
        assert_same(read(saved(path, qform=None, pixdim=unset)), control, [note])
    assert "sform and pixdim disagree" in refused(saved(path, qform=None, pixdim=pixdim(0.7, 0.8, 5)))


def test_a_code_of_no_standard_counts_as_0(path):
    assert "does not say how it lies" in refused(saved(path, sform_code=9, qform_code=-2))


@pytest.mark.parametrize(("code", "unit", "scale"), [(1, "metre", 1e-3), (3, "micrometre", 1e3)])
def test_other_units_are_converted_where_that_gives_a_ct(path, control, code, unit, scale):
    small = np.diag([scale, scale, scale, 1]) @ LPS
    volume = read(saved(path, sform=small, qform=small, xyzt_units=code))
    assert_same(volume, control, [f"the NIfTI's unit was converted from {unit} to mm"])
    assert f"xyzt_units says {unit}" in refused(saved(path, xyzt_units=code))
    assert "is that of no CT" in refused(saved(path, sform=small, qform=small))


def test_an_unknown_unit_is_mm(path, control):
    assert_same(read(saved(path, xyzt_units=0)), control)


@pytest.mark.parametrize("entry", [(1, 2), (0, 2), (0, 1)])
def test_sheared_axes_are_refused(path, entry):
    sheared = LPS.copy()
    sheared[entry] = 0.2
    assert "sheared: a tilted gantry, or laid on an atlas" in refused(saved(path, sform=sheared, qform=sheared))
    assert "sheared: a tilted gantry, or laid on an atlas" in refused(saved(path, sform=sheared, qform=None))


# Array axes to the patient's left, feet and back: a coronal stack. And to the back, feet and right: a sagittal one.
CORONAL = np.array([[-1, 0, 0, 0], [0, 0, -1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
SAGITTAL = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("axes", [CORONAL, SAGITTAL])
@pytest.mark.parametrize("edges", [(0.8, 0.8, 4), (0.8, 0.8, 1), (0.8, 0.625, 4.5)])
def test_coronal_and_sagittal_stacks_are_refused(path, axes, edges):
    affine = axes @ np.diag([*edges, 1])
    assert "no axial CT slice" in refused(saved(path, sform=affine, qform=affine))


@pytest.mark.parametrize("axes", [CORONAL, SAGITTAL])
@pytest.mark.parametrize("edges", [(0.8, 2.5, 0.8), (0.9, 0.9, 0.9), (0.9, 0.4, 0.9)])
def test_axial_stacks_in_another_order_of_axes_are_read(path, axes, edges):
    affine = axes @ np.diag([*edges, 1])
    affine[0, 3] = 5
    assert read(saved(path, sform=affine, qform=affine)).notes == []


def test_the_identity_is_refused_on_an_array_z_y_x_and_noted_otherwise(path):
    def with_shape(*shape):
        return saved(path, np.eye(4), np.eye(4), hu=np.resize(made_hu(), shape[::-1]))

    assert "(z, y, x)" in refused(with_shape(12, 64, 72))
    assert "(z, y, x)" in refused(with_shape(40, 32, 32))
    volume = read(with_shape(32, 32, 12))
    assert volume.notes == ["the affine is the identity: spacing and orientation may be unknown"]


@pytest.mark.parametrize("drift", [0.0, 0.0009])
def test_what_is_written_says_the_same_in_both_forms(tmp_path, drift):
    """Also where the slices drift by less than the tolerance for a tilted gantry: a qform holds no shear."""
    affine = turned(9) @ np.diag([0.7, 0.8, 2.5, 1])
    affine[0, 2] += 2.5 * drift
    write_nifti(tmp_path / "v.nii.gz", made_hu().transpose(2, 1, 0).astype(np.int16), affine)
    header = nibabel.load(tmp_path / "v.nii.gz").header
    np.testing.assert_allclose(header.get_sform(), header.get_qform(), atol=1e-4)
    np.testing.assert_allclose(header.get_sform(), affine, atol=1e-3 * 2.5)
    assert (header["sform_code"], header["qform_code"], header.get_xyzt_units()[0]) == (1, 1, "mm")


@pytest.mark.parametrize(
    ("spacing", "possible"),
    [((0.7, 0.7, 35), True), ((0.7, 0.7, 250), False), ((0.7, 25, 35), False), ((0.001, 0.7, 5), False)],
)
def test_slices_may_lie_farther_apart_than_pixels(spacing, possible):
    assert spacing_is_possible(np.array(spacing, dtype=float)) is possible
    assert not spacing_is_possible(np.array([np.nan, 0.7, 5]))


def test_a_row_of_voxels_is_compared_with_pixdim_as_well(path):
    row = saved(path, qform=None, hu=made_hu(n=1)[:, :1], pixdim=pixdim(0.7, 0.8, 2.5))
    assert read(row).notes == []
    assert "sform and pixdim disagree" in refused(
        saved(row, qform=None, hu=made_hu(n=1)[:, :1], pixdim=pixdim(3, 1, 1))
    )
