"""Damaged files end in a reason and in nothing else, whatever byte is wrong."""

import warnings

import nibabel
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from lungsight.errors import BadCase
from lungsight.intake.dicom import read_dicom
from lungsight.intake.image import read_image
from lungsight.intake.nifti import read_nifti
from lungsight.intake.volume import Window
from tests.dicom_made import made_hu, made_series

WINDOW = Window(-1250, 250)
SYNTAXES = [None, DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless, JPEGLSLossless]


def write_dicom(path, syntax):
    dataset = made_series(made_hu(n=1, rows=64, columns=80))[0]
    if syntax == DeflatedExplicitVRLittleEndian:
        dataset.file_meta.TransferSyntaxUID = syntax
    elif syntax:
        dataset.compress(syntax)
    dataset.save_as(path, enforce_file_format=True)


def damaged(raw, rng):
    """The bytes cut short, or with up to eight of them changed, in the header more often than elsewhere."""
    if rng.random() < 0.3:
        return raw[: rng.integers(len(raw))]
    changed = bytearray(raw)
    reach = len(raw) if rng.random() < 0.5 else min(len(raw), 1500)
    for place in rng.integers(reach, size=rng.integers(1, 9)):
        changed[place] = rng.integers(256)
    return bytes(changed)


def check(path, read, seed, times):
    """Damage a file again and again; returns how often it was read and how often refused."""
    raw, rng = path.read_bytes(), np.random.default_rng(seed)
    read_well = refused = 0
    for _ in range(times):
        path.write_bytes(damaged(raw, rng))
        try:
            volume = read(path)
        except BadCase:
            refused += 1
        else:
            read_well += 1
            assert volume.codes.max() <= volume.full and np.isfinite(volume.affine).all()
    return read_well, refused


@pytest.fixture(autouse=True)
def silence():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name if syntax else "uncompressed")
def test_dicom(tmp_path, syntax):
    write_dicom(tmp_path / "slice.dcm", syntax)
    read_well, refused = check(
        tmp_path / "slice.dcm", lambda path: read_dicom(path, tmp_path, WINDOW, 1), seed=7, times=40
    )
    assert read_well and refused


def test_pictures(tmp_path):
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 40), dtype=np.uint8))
    for name in ("slice.png", "slice.jpg"):
        picture.save(tmp_path / name)
        _, refused = check(tmp_path / name, lambda path: read_image(path, 32), seed=8, times=40)
        assert refused


def test_nifti(tmp_path):
    image = nibabel.Nifti1Image(made_hu(n=3).astype(np.int16), np.diag([1.0, 2, 3, 1]))
    for name in ("volume.nii", "volume.nii.gz"):
        nibabel.save(image, tmp_path / name)
        _, refused = check(tmp_path / name, lambda path: read_nifti(path, WINDOW, 1), seed=9, times=40)
        assert refused
