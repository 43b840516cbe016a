"""A damaged file is refused with a reason, or read as another reader reads it, whatever byte is wrong."""

import warnings

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels import apply_rescale
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from lungsight.errors import BadCase
from lungsight.intake.dicom import read_dicom
from lungsight.intake.image import read_image
from lungsight.intake.nifti import read_nifti
from lungsight.intake.volume import Window
from tests.factories.dicom import compress_as_jpeg_lossless, made_hu, made_series

WINDOW = Window(-1250, 250)
SYNTAXES = [None, DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless, JPEGLSLossless, JPEGLosslessSV1]
REAL = ("J2KI", "J2KR", "JLSL", "JLSN", "JPLL", "RLE")


def often(daily, long):
    """Damage a file some times in the daily tests and many times in `make test-all`."""
    return pytest.mark.parametrize("times", [daily, pytest.param(long, marks=pytest.mark.long)])


def write_dicom(path, syntax):
    dataset = made_series(made_hu(n=1, rows=64, columns=80))[0]
    if syntax == DeflatedExplicitVRLittleEndian:
        dataset.file_meta.TransferSyntaxUID = syntax
    elif syntax == JPEGLosslessSV1:
        compress_as_jpeg_lossless(dataset)
    elif syntax:
        dataset.compress(syntax)
    dataset.save_as(path, enforce_file_format=True)


def damaged(raw, rng):
    """Cut the bytes short, or change up to eight of them, more often in the header than elsewhere."""
    if rng.random() < 0.3:
        return raw[: rng.integers(len(raw))]
    changed = bytearray(raw)
    reach = len(raw) if rng.random() < 0.5 else min(len(raw), 1500)
    for place in rng.integers(reach, size=rng.integers(1, 9)):
        changed[place] = rng.integers(256)
    return bytes(changed)


def damage_and_read(path, read, seed, times, right=None):
    """Damage a file `times` times; return how often it was read and how often refused.

    right: (path, volume) → whether the volume is the image in the damaged file.
    """
    raw, rng = path.read_bytes(), np.random.default_rng(seed)
    read_well = refused = 0
    for number in range(times):
        path.write_bytes(damaged(raw, rng))
        try:
            volume = read(path)
        except BadCase:
            refused += 1
        else:
            read_well += 1
            assert volume.voxels.max() <= volume.max_code and np.isfinite(volume.affine).all()
            assert right is None or right(path, volume), f"another image at damage {number}"
    path.write_bytes(raw)
    return read_well, refused


def equals_pydicom(path, volume):
    """Tell whether the volume has the pixels that pydicom alone decodes, windowed, wherever they lie in space."""
    dataset = pydicom.dcmread(path, force=True)
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    hu = apply_rescale(dataset.pixel_array, dataset)
    wanted = np.sort(np.rint((np.clip(hu, -1250, 250) + 1250) / 1500 * volume.max_code).ravel())
    return np.abs(np.sort(volume.voxels.ravel().astype(float)) - wanted).max() <= 1


@pytest.fixture(autouse=True)
def silence():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name if syntax else "uncompressed")
@often(40, 300)
def test_dicom(tmp_path, syntax, times):
    path = tmp_path / "slice.dcm"
    write_dicom(path, syntax)
    read_well, refused = damage_and_read(
        path, lambda path: read_dicom(path, tmp_path, WINDOW, 1), seed=7, times=times, right=equals_pydicom
    )
    assert read_well and refused


@pytest.mark.parametrize("name", REAL)
@often(3, 60)
def test_real_dicom(real_ct, tmp_path, name, times):
    path = tmp_path / "slice.dcm"
    path.write_bytes((real_ct / "edge" / "wg04_chest_CT1" / f"CT1_{name}.dcm").read_bytes())
    damage_and_read(
        path, lambda path: read_dicom(path, tmp_path, WINDOW, 1), seed=11, times=times, right=equals_pydicom
    )


@often(20, 300)
def test_pictures(tmp_path, times):
    """A PNG has checksums: it is read unchanged or refused."""
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 40), dtype=np.uint8))
    for name in ("slice.png", "slice.jpg"):
        path = tmp_path / name
        picture.save(path)
        whole = read_image(path, 32).voxels
        same = (lambda _, volume, whole=whole: np.array_equal(volume.voxels, whole)) if name.endswith(".png") else None
        _, refused = damage_and_read(path, lambda path: read_image(path, 32), seed=8, times=times, right=same)
        assert refused


@often(20, 300)
def test_nifti(tmp_path, times):
    """A compressed NIfTI has a checksum: it is read unchanged or refused."""
    image = nibabel.Nifti1Image(made_hu(n=3).astype(np.int16), np.diag([1.0, 1, 3, 1]))
    for name in ("volume.nii", "volume.nii.gz"):
        path = tmp_path / name
        nibabel.save(image, path)
        whole = read_nifti(path, WINDOW, 1).voxels
        same = (lambda _, volume, whole=whole: np.array_equal(volume.voxels, whole)) if name.endswith(".gz") else None
        _, refused = damage_and_read(path, lambda path: read_nifti(path, WINDOW, 1), seed=9, times=times, right=same)
        assert refused
