"""A compressed stream that says another size than its header is refused before it asks for memory."""

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames

from lungsight.errors import BadCase
from lungsight.intake.stream_size import check_stream_size

IMAGE = np.random.default_rng(2).integers(0, 4096, (64, 80)).astype(np.uint16)
STREAMS = {
    "JPEG": (imagecodecs.jpeg_encode((IMAGE >> 4).astype(np.uint8)), b"\xff\xc0", 5, 2),
    "JPEG, 12 bits": (imagecodecs.jpeg_encode(IMAGE, bitspersample=12), b"\xff\xc1", 5, 2),
    "JPEG Lossless": (imagecodecs.ljpeg_encode(IMAGE, bitspersample=12), b"\xff\xc3", 5, 2),
    "JPEG-LS": (imagecodecs.jpegls_encode(IMAGE), b"\xff\xf7", 5, 2),
    "JPEG 2000": (imagecodecs.jpeg2k_encode(IMAGE, codecformat="j2k", bitspersample=12), b"\xff\x51", 10, 4),
    "JPEG 2000 in boxes": (imagecodecs.jpeg2k_encode(IMAGE, codecformat="jp2", bitspersample=12), b"\xff\x51", 10, 4),
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_size_of_a_stream(name):
    stream, marker, at, width = STREAMS[name]
    check_stream_size(stream, 64, 80)
    place = stream.index(marker) + at
    huge = stream[:place] + (60000).to_bytes(width, "big") + stream[place + width :]
    for damaged, rows in ((huge, 64), (stream, 65)):
        with pytest.raises(BadCase, match=r"another size than Rows × Columns: damaged \(file 3\)"):
            check_stream_size(damaged, rows, 80, "(file 3)")


def test_a_stream_that_says_nothing_is_left_to_its_decoder():
    for stream in (b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\0\x10", b"\xff\x4f\xff\x51\0", bytes(600)):
        check_stream_size(stream, 64, 80)


def test_real_streams(real_ct):
    for path in sorted((real_ct / "edge" / "wg04_chest_CT1").glob("*.dcm")):
        dataset = pydicom.dcmread(path)
        if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
            check_stream_size(stream, dataset.Rows, dataset.Columns)
