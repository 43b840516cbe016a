"""Read what a compressed stream says of its image, before a decoder allocates memory for it, and whether it is whole.

Decoders make an image of a JPEG or JPEG-LS stream that is cut short: what is missing is grey, or the last row again.
"""

from typing import NamedTuple

from lungsight.errors import BadCase

_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # start of frame: JPEG, and JPEG-LS (0xF7)
_WITHOUT_SEGMENT = {0x01, *range(0xD0, 0xD9)}
_END = b"\xff\xd9"
END_PADDING = b"\0\n\xff"  # what writers append to a stream


class StreamSize(NamedTuple):
    """What a stream says of its image: rows, columns, and bits of a pixel."""

    rows: int
    columns: int
    bits: int


def check_stream_size(stream: bytes, rows: int, columns: int, where: str = "") -> int | None:
    """Raise BadCase if a JPEG, JPEG-LS or JPEG 2000 stream says another size than the DICOM header.

    A stream that does not say its size at its place is left to its decoder.

    Returns
    -------
    int or None
        The bits of a pixel that the stream says; None if it does not.

    References
    ----------
    ITU-T T.81 B.2.2, T.87 C.2.2, T.800 A.5.1.
    """
    size = _size(stream)
    if size is None:
        return None
    if size.rows and size[:2] != (rows, columns):  # 0: the number of rows comes behind the scan
        raise BadCase(f"the compressed pixels say another size than Rows × Columns: damaged {where}".rstrip())
    return size.bits


def check_stream_end(stream: bytes, where: str = "") -> None:
    """Raise BadCase if a stream of the JPEG family does not close with its end of image, padding aside.

    References
    ----------
    ITU-T T.81 B.1.1.3, T.87 C.1.1.
    """
    if stream[:2] == _JPEG and not stream.rstrip(END_PADDING).endswith(_END):
        raise BadCase(f"the compressed pixels end before their end of image: truncated {where}".rstrip())


def _size(stream: bytes) -> StreamSize | None:
    if stream[:2] == _JPEG:
        return _size_of_jpeg(stream)
    start = stream[:512].find(_JPEG_2000)  # a few boxes may lie before the stream
    return None if start < 0 else _size_of_jpeg_2000(stream[start:])


def _size_of_jpeg(stream: bytes) -> StreamSize | None:
    place = 2
    while place + 9 <= len(stream) and stream[place] == 0xFF:
        marker = stream[place + 1]
        if marker in _FRAMES:
            rows, columns = (int.from_bytes(stream[place + at : place + at + 2], "big") for at in (5, 7))
            return StreamSize(rows, columns, stream[place + 4])
        length = 0 if marker in _WITHOUT_SEGMENT else int.from_bytes(stream[place + 2 : place + 4], "big")
        place += 1 if marker == 0xFF else 2 + length
    return None


def _size_of_jpeg_2000(stream: bytes) -> StreamSize | None:
    if len(stream) < 43:
        return None
    right, bottom, left, top = (int.from_bytes(stream[at : at + 4], "big") for at in (8, 12, 16, 20))
    return StreamSize(bottom - top, right - left, (stream[42] & 0x7F) + 1)
