"""Read the size of the image that a compressed stream says it holds, before a decoder allocates memory for it."""

from lungsight.errors import BadCase

_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # start of frame: JPEG, and JPEG-LS (0xF7)
_WITHOUT_SEGMENT = {0x01, *range(0xD0, 0xD9)}


def check_stream_size(stream: bytes, rows: int, columns: int, where: str = "") -> None:
    """Raise BadCase if a JPEG, JPEG-LS or JPEG 2000 stream says another size than the DICOM header.

    A stream that does not say its size at its place is left to its decoder.

    References
    ----------
    ITU-T T.81 B.2.2, T.87 C.2.2, T.800 A.5.1.
    """
    size = _size(stream)
    if size is not None and size != (rows, columns):
        raise BadCase(f"the compressed pixels say another size than Rows × Columns: damaged {where}".rstrip())


def _size(stream: bytes) -> tuple[int, int] | None:
    if stream[:2] == _JPEG:
        return _size_of_jpeg(stream)
    start = stream[:512].find(_JPEG_2000)  # a few boxes may lie before the stream
    return None if start < 0 else _size_of_jpeg_2000(stream[start:])


def _size_of_jpeg(stream: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(stream) and stream[place] == 0xFF:
        marker = stream[place + 1]
        if marker in _FRAMES:
            rows, columns = (int.from_bytes(stream[place + at : place + at + 2], "big") for at in (5, 7))
            return (rows, columns) if rows else None  # 0: the number of rows comes behind the scan
        length = 0 if marker in _WITHOUT_SEGMENT else int.from_bytes(stream[place + 2 : place + 4], "big")
        place += 1 if marker == 0xFF else 2 + length
    return None


def _size_of_jpeg_2000(stream: bytes) -> tuple[int, int] | None:
    if len(stream) < 24:
        return None
    right, bottom, left, top = (int.from_bytes(stream[at : at + 4], "big") for at in (8, 12, 16, 20))
    return bottom - top, right - left
