"""Pixels that a codec decodes: a crash of the decoder costs one case, and no run."""

import os
import signal

import numpy as np
import pytest
from pydicom.uid import JPEGLSLossless, RLELossless

from lungsight.config import config_schema, with_defaults
from lungsight.errors import BadCase
from lungsight.intake import decode
from lungsight.intake.cases import Folders, Intake, convert_shard
from lungsight.intake.cohort_table import TableRow
from lungsight.intake.dicom import read_dicom
from lungsight.intake.volume import Window
from tests.factories.dicom import made_hu, made_series, save_series

WINDOW = Window(-1250, 250)
RIGHT = ((np.clip(made_hu(), -1250, 250) + 1250) / 1500).transpose(2, 1, 0)[::-1, ::-1]
decode_here = decode._decoded


def crash_on_the_third(header):  # at module level: the child finds functions by name
    if header.ordinal == 3 and header.path.parent.name == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
    return decode_here(header)


@pytest.fixture
def crashing_decoder(monkeypatch):
    decode._CHILD.end()
    monkeypatch.setattr(decode, "_decoded", crash_on_the_third)
    yield
    decode._CHILD.end()


def compressed(folder, syntax=JPEGLSLossless):
    datasets = made_series()
    for dataset in datasets:
        dataset.compress(syntax)
    return save_series(folder, datasets)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_decoder_that_crashes_rejects_its_row_and_no_other(tmp_path, crashing_decoder, threads):
    for name in ("before", "bad", "after"):
        compressed(tmp_path / name)
    rows = [
        TableRow(n, "P", name, "Covid-19", "", "", "") for n, name in enumerate(("before", "bad", "after"), start=1)
    ]
    settings = with_defaults({}, config_schema()["properties"]["intake"])
    intake = Intake("hospital", "dicom", tmp_path, 5, settings, b"key")
    cases, slices = convert_shard(rows, intake, Folders(tmp_path / "nifti"), threads)
    assert [case["status"] for case in cases] == ["ok", "rejected", "ok"] and len(slices) == 16
    assert cases[1]["reason"].endswith("the decoder crashed (file 3)")


@pytest.mark.parametrize("syntax", [JPEGLSLossless, RLELossless])
def test_the_child_decodes_what_this_process_would(tmp_path, syntax):
    volume = read_dicom(compressed(tmp_path, syntax), tmp_path, WINDOW, 5)
    np.testing.assert_allclose(volume.voxels / volume.max_code, RIGHT, atol=1e-12)


def test_uncompressed_pixels_need_no_child(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "_CHILD", None)
    read_dicom(save_series(tmp_path, made_series()), tmp_path, WINDOW, 5)


@pytest.mark.parametrize("meta", [False, True])
def test_files_without_preamble_are_read(tmp_path, meta):
    """Old archives write the data set alone, or after its meta header without the 128 bytes and DICM."""
    folder = save_series(tmp_path, made_series())
    for path in folder.iterdir():
        raw = path.read_bytes()
        path.write_bytes(raw[132:] if meta else raw[raw.index(b"\x08\x00\x08\x00CS") :])
    volume = read_dicom(folder, folder, WINDOW, 5)
    np.testing.assert_allclose(volume.voxels / volume.max_code, RIGHT, atol=1e-12)


def test_compressed_pixels_in_a_file_without_transfer_syntax_are_refused(tmp_path):
    folder = compressed(tmp_path)
    for path in folder.iterdir():
        raw = path.read_bytes()
        path.write_bytes(raw[raw.index(b"\x08\x00\x08\x00CS") :])
    with pytest.raises(BadCase, match="without transfer syntax: its meta header is missing"):
        read_dicom(folder, folder, WINDOW, 5)


def padded(folder, corners=4, value=4095, **values):
    """Save a series with a bright frame of padding, in some corners only."""
    datasets = made_series(intercept=-1024.0)
    for dataset in datasets:
        stored = dataset.pixel_array.copy()
        for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1))[:corners]:
            stored[row, column] = 4095
        stored[10, 12] = 4095  # metal
        dataset.PixelData = stored.tobytes()
        dataset.add_new("PixelPaddingValue", "SS", value)
    return read_dicom(save_series(folder, datasets), folder, WINDOW, 5)


@pytest.mark.parametrize(("corners", "dark"), [(4, True), (2, True), (1, False)])
def test_padding_that_reads_bright_becomes_dark_where_it_lies_in_corners(tmp_path, corners, dark):
    volume = padded(tmp_path, corners)
    image = next(iter(volume.images()))
    assert (image[0, 0] == 0) == dark and image[10, 12] == 255


def test_a_padding_value_that_lies_elsewhere_changes_nothing(tmp_path):
    volume = padded(tmp_path, corners=0, value=4095)
    assert next(iter(volume.images()))[10, 12] == 255


@pytest.mark.parametrize("keyword", ["BitsStored", "PixelRepresentation"])
@pytest.mark.parametrize("syntax", [None, RLELossless])
def test_a_missing_tag_of_the_pixels_is_named(tmp_path, keyword, syntax):
    datasets = made_series()
    for dataset in datasets:
        if syntax:
            dataset.compress(syntax)
        del dataset[keyword]
    with pytest.raises(BadCase, match=rf"^{keyword} \(0028,01\d\d\) is missing \(file 1\)$"):
        read_dicom(save_series(tmp_path, datasets), tmp_path, WINDOW, 5)
