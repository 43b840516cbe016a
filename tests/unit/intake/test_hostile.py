"""Files and names made to do harm: no crash, no huge memory, no file outside the root is read."""

import gzip
import os
import struct
import time
import tracemalloc
import zlib

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image, PngImagePlugin

from lungsight.errors import BadCase
from lungsight.intake.dicom import read_dicom
from lungsight.intake.image import read_image
from lungsight.intake.masks import read_mask
from lungsight.intake.nifti import read_nifti
from lungsight.intake.volume import Window
from tests.factories.dicom import made_hu, made_series, save_series
from tests.unit.intake.test_masks import ROI_NAMES

WINDOW = Window(-1250, 250)
ENOUGH = 200 << 20  # bytes; no small file may make us allocate more


@pytest.fixture(autouse=True)
def bounded():
    """Bound time and memory, whatever the file claims."""
    tracemalloc.start()
    start = time.monotonic()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < ENOUGH and time.monotonic() - start < 20


def refused(read, *arguments):
    with pytest.raises(BadCase) as caught:
        read(*arguments)
    return str(caught.value)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, data, *more):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zeros(megabytes):
    """A zlib stream of zeros, made without holding them."""
    compressor = zlib.compressobj(9)
    return b"".join([*(compressor.compress(b"\0" * (1 << 20)) for _ in range(megabytes)), compressor.flush()])


def test_a_picture_that_claims_to_be_huge(tmp_path):
    (tmp_path / "a.png").write_bytes(png(60000, 60000, zlib.compress(b"\0" * 1000)))
    assert refused(read_image, tmp_path / "a.png", 32) in (
        "the file is neither PNG nor JPEG, or is damaged",
        "the picture says 60000 × 60000, more than any CT slice",
    )


def test_a_picture_that_inflates_beyond_its_size(tmp_path):
    (tmp_path / "a.png").write_bytes(png(8, 8, zeros(300)))
    assert read_image(tmp_path / "a.png", 8).voxels.max() == 0, "data beyond its pixels are not inflated"


def test_a_picture_with_a_text_bomb(tmp_path):
    text = chunk(b"zTXt", b"Comment\0\0" + zeros(300))
    (tmp_path / "a.png").write_bytes(png(8, 8, zlib.compress((b"\0" + b"\7" * 8) * 8), text))
    assert refused(read_image, tmp_path / "a.png", 8) == "the picture is truncated or damaged"


def test_a_nifti_that_claims_to_be_huge(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_shape((30000, 30000, 30000))
    header.set_data_dtype(np.float64)
    header.set_sform(np.eye(4), code="scanner")
    with gzip.open(tmp_path / "a.nii.gz", "wb") as file:
        file.write(header.binaryblock + b"\0" * 1000)
    assert refused(read_nifti, tmp_path / "a.nii.gz", WINDOW, 1) == "the NIfTI's header says it is larger than any CT"


def test_a_nifti_that_goes_on_for_long_after_its_voxels(tmp_path):
    image = nibabel.Nifti1Image(np.full((4, 5, 6), -700, np.int16), np.eye(4))
    nibabel.save(image, tmp_path / "small.nii")
    with gzip.open(tmp_path / "a.nii.gz", "wb") as file:
        file.write((tmp_path / "small.nii").read_bytes())
        for _ in range(40):
            file.write(b"\0" * (1 << 20))
    assert refused(read_nifti, tmp_path / "a.nii.gz", WINDOW, 1) == "the NIfTI is truncated or damaged"


def test_dicom_elements_that_claim_to_be_huge(tmp_path):
    folder = save_series(tmp_path / "series", made_series())
    raw = bytearray((folder / "003.dcm").read_bytes())
    place = raw.index(b"\xe0\x7f\x10\x00OW")
    raw[place + 8 : place + 12] = struct.pack("<I", 0xFFFFFFF0)
    (folder / "003.dcm").write_bytes(bytes(raw))
    volume = read_dicom(folder, folder, WINDOW, 1)
    np.testing.assert_array_equal(volume.voxels[:, ::-1, 2][::-1].T, WINDOW.encode(made_hu()[2].astype(np.float32)))


def test_dicom_nested_ten_thousand_deep(tmp_path):
    dataset = made_series()[0]
    inner = pydicom.Dataset()
    for _ in range(150):
        outer = pydicom.Dataset()
        outer.ReferencedImageSequence = [inner]
        inner = outer
    dataset.ReferencedImageSequence = [inner]
    dataset.save_as(tmp_path / "deep.dcm", enforce_file_format=True)
    raw = (tmp_path / "deep.dcm").read_bytes()
    start = raw.index(b"\x08\x00\x40\x11SQ")
    nested = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 10_000
    (tmp_path / "deep.dcm").write_bytes(raw[:start] + nested)
    assert "a CT image, is damaged" in refused(read_dicom, tmp_path, tmp_path, WINDOW, 1)


def test_links_out_of_the_root_are_not_followed(tmp_path):
    outside = save_series(tmp_path / "outside", made_series(made_hu(seed=3)))
    folder = tmp_path / "root" / "series"
    folder.mkdir(parents=True)
    for file in outside.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "all").symlink_to(outside)
    assert refused(read_dicom, folder, tmp_path / "root", WINDOW, 1) == "no CT slice"


def test_links_in_a_circle_end(tmp_path):
    folder = save_series(tmp_path / "series", made_series())
    (folder / "again").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    assert read_dicom(folder, folder, WINDOW, 1).voxels.shape[2] == 8


def test_pipes_are_left_alone(tmp_path):
    folder = save_series(tmp_path / "series", made_series())
    os.mkfifo(folder / "pipe")
    assert read_dicom(folder, folder, WINDOW, 1).voxels.shape[2] == 8


def test_file_names_may_hold_any_character(tmp_path):
    folder = tmp_path / "series"
    save_series(folder, made_series())
    names = ("../x".replace("/", "∕"), "=cmd().dcm", "<script>.dcm", "a\nb.dcm", "x" * 250, " .dcm")
    for file, name in zip(sorted(folder.iterdir()), names, strict=False):
        file.rename(folder / name)
    os.rename(os.fsencode(folder / "007.dcm"), os.fsencode(folder) + b"/\xff\xfe.dcm")
    assert read_dicom(folder, folder, WINDOW, 1).voxels.shape[2] == 8


def test_a_mask_that_is_a_link_out_of_its_folder_is_not_followed(tmp_path):
    series = save_series(tmp_path / "ct", made_series())
    volume = read_dicom(series, series, WINDOW, 1)
    (tmp_path / "mask").mkdir()
    (tmp_path / "secret.dcm").write_bytes((series / "001.dcm").read_bytes())
    (tmp_path / "mask" / "rt.dcm").symlink_to(tmp_path / "secret.dcm")
    assert "holds 0 files" in refused(read_mask, tmp_path / "mask", volume, ROI_NAMES, True)


def test_a_picture_that_is_a_script(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png", pnginfo=PngImagePlugin.PngInfo())
    (tmp_path / "a.svg.png").write_text('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>')
    assert "neither PNG nor JPEG" in refused(read_image, tmp_path / "a.svg.png", 8)
