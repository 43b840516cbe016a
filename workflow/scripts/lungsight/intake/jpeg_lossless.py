"""Check that a JPEG Lossless stream is built as the standard says, before a decoder sees it.

Decoders trust a stream. On some damaged headers gdcm and others end the whole process, and they make an image of a
stream that is cut short. No check finds a changed bit of the coded pixels, since the format has no checksum.
"""

import re

from lungsight.errors import BadCase
from lungsight.intake.stream_size import END_PADDING

_SOI, _EOI, _SOS, _DHT, _SOF3 = 0xD8, 0xD9, 0xDA, 0xC4, 0xC3
_PASSED_OVER = {*range(0xE0, 0xF0), 0xFE, 0xDD, 0xDB}  # APPn, COM, DRI, DQT
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")  # not a stuffed 0xFF, not a restart: those are coded pixels
_END = bytes((0xFF, _EOI))
_MOST_CATEGORIES = 17  # a difference of neighbours has 0 to 16 bits


def check_stream(stream: bytes, rows: int, columns: int, where: str = "") -> None:
    """Raise BadCase unless a stream is one grey scan of rows × columns with sound tables and an end.

    Parameters
    ----------
    stream : bytes
        From start of image to end of image.
    rows, columns : int
        As the DICOM header has them.
    where : str
        Names the file in the message.

    References
    ----------
    ITU-T T.81, annexes B, C and H.
    """
    try:
        _check(stream, rows, columns)
    except BadCase as error:
        raise BadCase(f"{error} {where}".rstrip()) from error


def _check(stream: bytes, rows: int, columns: int) -> None:
    """Walk through the segments of a stream up to its scan and check each."""
    tables: set[int] = set()
    frame: bytes = b""
    place = 2
    if stream[:2] != bytes((0xFF, _SOI)):
        raise _damaged("no start")
    while True:
        marker, segment, place = _segment(stream, place)
        if marker == _DHT:
            tables |= _huffman_tables(segment)
        elif marker == _SOF3:
            frame = _frame_header(segment, rows, columns)
        elif marker == _SOS:
            _check_scan(segment, frame, tables)
            break
        elif marker not in _PASSED_OVER:
            raise _damaged("a marker that is none of this process")
    _check_coded_pixels(stream, place)


def _check_coded_pixels(stream: bytes, place: int) -> None:
    """Raise BadCase unless the coded pixels from `place` on run to the end of image, with restart markers only.

    Only the bytes that writers pad with may follow the end. Anything else means that damage made that marker.
    """
    if stream.count(b"\xff", place) == stream.count(b"\xff\x00", place) + 1:
        ends = stream.rstrip(END_PADDING).endswith(_END)  # its marker is the only one
    else:
        end = _MARKER.search(stream, place)
        ends = end is not None and end[0][-1] == _EOI and not stream[end.end() :].strip(END_PADDING + _END)
    if not ends:
        raise _damaged("the coded pixels do not run to the end of image")


def _damaged(fault: str) -> BadCase:
    return BadCase(f"the JPEG Lossless stream is damaged: {fault}")


def _segment(stream: bytes, place: int) -> tuple[int, bytes, int]:
    """Return the marker at a place, its segment, and the place behind it."""
    while stream[place : place + 2] == b"\xff\xff":
        place += 1
    marker, length = stream[place : place + 2], int.from_bytes(stream[place + 2 : place + 4], "big")
    segment = stream[place + 4 : place + 2 + length]
    if len(marker) < 2 or marker[0] != 0xFF or length < 2 or len(segment) != length - 2:
        raise _damaged("a segment is cut off or of a wrong length")
    return marker[1], segment, place + 2 + length


def _huffman_tables(segment: bytes) -> set[int]:
    """Return the numbers of the tables that a DHT segment defines: each a prefix code of at most 17 categories."""
    numbers = set()
    while segment:
        counts, number = segment[1:17], segment[0]
        symbols = segment[17 : 17 + sum(counts)]
        # Each code of n bits takes 2^-n of the code space.
        taken = sum(count << 16 - bits for bits, count in enumerate(counts, start=1))
        sound = len(counts) == 16 and 0 < len(symbols) == sum(counts) <= _MOST_CATEGORIES and taken <= 1 << 16
        if not sound or number > 3 or max(symbols) >= _MOST_CATEGORIES or len(set(symbols)) < len(symbols):
            raise _damaged("a Huffman table")
        numbers.add(number)
        segment = segment[17 + len(symbols) :]
    return numbers


def _frame_header(segment: bytes, rows: int, columns: int) -> bytes:
    """Return a SOF3 segment, checked: one component, and the size of the DICOM header."""
    size = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
    if len(segment) != 9 or segment[5] != 1 or size != (rows, columns) or not 2 <= segment[0] <= 16:
        raise _damaged("the frame is not one of Rows × Columns")
    return segment


def _check_scan(segment: bytes, frame: bytes, tables: set[int]) -> None:
    """Raise BadCase unless a SOS segment names the component of the frame, a defined table and a predictor."""
    if len(segment) != 6 or not frame or segment[0] != 1 or segment[1] != frame[6] or segment[2] >> 4 not in tables:
        raise _damaged("the scan does not fit the frame")
    if not 1 <= segment[3] <= 7 or segment[5] >= frame[0]:
        raise _damaged("the prediction is unknown")
