"""Damaged JPEG Lossless streams are refused before they reach a decoder that they would end."""

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import pixel_array

from lungsight.errors import BadCase
from lungsight.intake.decode import JPEG_LOSSLESS
from lungsight.intake.jpeg_lossless import check_stream
from lungsight.parallel import in_processes
from tests.factories.dicom import compress_as_jpeg_lossless, made_hu, made_series

ROWS, COLUMNS = 64, 80


def made(bits: int = 16) -> pydicom.Dataset:
    dataset = made_series(made_hu(n=1, rows=ROWS, columns=COLUMNS))[0]
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    compress_as_jpeg_lossless(dataset)
    return dataset


def stream_of(dataset: pydicom.Dataset) -> bytes:
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def place_of(stream: bytes, marker: int) -> int:
    return stream.index(bytes((0xFF, marker)))


def with_byte(stream: bytes, place: int, value: int) -> bytes:
    return stream[:place] + bytes([value]) + stream[place + 1 :]


@pytest.mark.parametrize("bits", [12, 16])
def test_a_sound_stream_passes(bits):
    stream = stream_of(made(bits))
    check_stream(stream, ROWS, COLUMNS)
    for padding in (b"\0", b"\n", b"\xff", b"\xff\xd9", b"\xff\xd9\0"):
        check_stream(stream + padding, ROWS, COLUMNS)


def test_real_streams_pass(real_ct):
    checked = 0
    for path in sorted((real_ct / "edge").rglob("*.dcm")):
        dataset = pydicom.dcmread(path, force=True)
        if dataset.get("PixelData") and dataset.file_meta.get("TransferSyntaxUID") in JPEG_LOSSLESS:
            check_stream(stream_of(dataset), dataset.Rows, dataset.Columns)
            checked += 1
    assert checked


def test_restart_markers_belong_to_the_coded_pixels():
    stream = stream_of(made())
    check_stream(stream[:-2] + b"\xff\xd0\x12\xff\xd1\xff\xd9", ROWS, COLUMNS)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: s[1:], "no start"),
        (lambda s: s[: len(s) // 2], "do not run to the end"),
        (lambda s: s[:-2] + b"\xff\xd9\x01", "do not run to the end"),
        (lambda s: s[:-100] + b"\xff\xab" + s[-98:], "do not run to the end"),
        (lambda s: with_byte(s, place_of(s, 0xC3) + 1, 0xC2), "none of this process"),
        (lambda s: with_byte(s, place_of(s, 0xC3) + 2, 0xFF), "wrong length"),
        (lambda s: with_byte(s, place_of(s, 0xC3) + 6, ROWS + 1), "not one of Rows"),
        (lambda s: with_byte(s, place_of(s, 0xC3) + 4, 62), "not one of Rows"),
        (lambda s: with_byte(s, place_of(s, 0xC4) + 5, 255), "Huffman table"),
        (lambda s: with_byte(s, place_of(s, 0xC4) + 21, 200), "Huffman table"),
        (lambda s: with_byte(s, place_of(s, 0xDA) + 6, 0x30), "does not fit the frame"),
        (lambda s: with_byte(s, place_of(s, 0xDA) + 7, 0), "prediction"),
    ],
)
def test_a_damaged_stream_is_refused(damage, message):
    with pytest.raises(BadCase, match=message):
        check_stream(damage(stream_of(made())), ROWS, COLUMNS)


def damaged(stream: bytes, times: int, seed: int) -> list[bytes]:
    """Make copies of a stream, each with one changed byte in its headers."""
    rng, end = np.random.default_rng(seed), place_of(stream, 0xDA) + 12
    return [with_byte(stream, rng.integers(2, end), rng.integers(256)) for _ in range(times)]


def decode(stream: bytes) -> str:
    """Tell what becomes of a damaged stream: the check refuses it, the decoder does, or it gives an image."""
    try:
        check_stream(stream, ROWS, COLUMNS)
    except BadCase:
        return "check"
    dataset = made()
    dataset.PixelData = encapsulate([stream])
    try:
        pixel_array(dataset, raw=True, decoding_plugin="gdcm")
    except Exception:
        return "decoder"
    return "image"


@pytest.mark.parametrize("times", [200, pytest.param(2000, marks=pytest.mark.long)])
def test_no_damaged_header_ends_the_decoder(times):
    """Decode in separate processes: without the check gdcm ends its process on one of thirty of these streams."""
    results = list(in_processes(decode, damaged(stream_of(made()), times, seed=3), 2))
    assert results.count("check") > times / 2 and results.count("image")
