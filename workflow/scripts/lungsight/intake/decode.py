"""Decode the stored pixel values of a DICOM slice in any transfer syntax."""

import io
import os
import resource
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pydicom
from pydicom.encaps import get_frame
from pydicom.pixels import pixel_array  # pyright: ignore[reportPrivateImportUsage]  # documented here
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLossless,
    JPEGLosslessSV1,
)

from lungsight.errors import BadCase
from lungsight.intake.headers import SliceHeader, tag_of
from lungsight.intake.jpeg_lossless import check_stream
from lungsight.intake.quiet import silent
from lungsight.intake.stream_size import check_stream_end, check_stream_size
from lungsight.parallel import Child, ChildDied

JPEG_LOSSLESS = (JPEGLossless, JPEGLosslessSV1)
_NEEDED = ("BitsAllocated", "BitsStored", "PixelRepresentation")
MOST_MEMORY = 4 << 30  # bytes that a decoder may take; a stream that asks for more is damaged


def _prepare() -> None:
    """Silence the child and cap its memory, so that no damaged stream takes what the run needs."""
    silent()
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:  # not Linux
        return
    limit = pages * resource.getpagesize() + MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


_CHILD = Child(prepare=_prepare)
Source = TypeVar("Source")
Decoded = TypeVar("Decoded")


class Stored(NamedTuple):
    """Decoded pixels.

    Attributes
    ----------
    values : (rows, columns) integers
        As stored, sign extended.
    padding : (int, int) or None
        Least and largest stored value that marks padding, from PixelPaddingValue and PixelPaddingRangeLimit.
    bits : int or None
        Bits of a pixel that a compressed stream says it holds.
    """

    values: np.ndarray
    padding: tuple[int, int] | None
    bits: int | None


def stored_values(header: SliceHeader) -> Stored:
    """Decode one slice through pydicom's plugins, without presentation state or colour map.

    Some damaged streams make a codec end its process. So what a codec has to decode is decoded in a child process,
    one for all slices of this process: only the slice is lost with it. Uncompressed and deflated pixels are read
    here.

    Raises
    ------
    BadCase
        If the pixels are absent, truncated or cannot be decoded.
    """
    if not header.coded:
        return _decoded(header)
    return _in_child(_decoded, header, header.where)


def _in_child(decode: Callable[[Source], Decoded], source: Source, where: str = "") -> Decoded:
    """Decode in the child process; raise BadCase for what it refuses, and if it crashes."""
    try:
        fault, decoded = _CHILD.call(_attempt, decode, source)
    except ChildDied as error:
        raise BadCase(
            f"the compressed pixels are so damaged that they cannot be decoded: the decoder crashed {where}".rstrip()
        ) from error
    if decoded is None:
        raise BadCase(fault)
    return decoded


def _attempt(decode: Callable[[Source], Decoded], source: Source) -> tuple[str, Decoded | None]:
    """Decode; return why it is refused, or what was decoded."""
    try:
        return "", decode(source)
    except BadCase as error:
        return str(error), None


def decompressed(dataset: pydicom.Dataset) -> pydicom.Dataset:
    """Return a data set with its pixels uncompressed; a codec works in the child process. Bits stay as they are.

    Raises
    ------
    BadCase
        If the codec refuses the pixels or crashes.
    """
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if "PixelData" not in dataset or not (syntax and syntax.is_encapsulated):
        return dataset
    try:
        return _CHILD.call(_decompressed, dataset)
    except ChildDied as error:
        raise BadCase(
            "the compressed pixels are so damaged that they cannot be decoded: the decoder crashed"
        ) from error


def _decompressed(dataset: pydicom.Dataset) -> pydicom.Dataset:
    try:
        dataset.decompress(generate_instance_uid=False)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # as in `_decoded`
        raise BadCase("the compressed pixels are damaged and cannot be decoded") from error
    return dataset


def _decoded(header: SliceHeader) -> Stored:
    """Decode one slice in this process.

    JPEG Lossless streams are checked first. imagecodecs decodes them in a third of gdcm's time, but makes an image of
    damaged streams that gdcm refuses (docs/peers.md).
    """
    where, bits = header.where, None
    try:
        dataset = _dataset_of_frames(header.path, header.path.stat()) if header.frames > 1 else _dataset(header.path)
        if "PixelData" not in dataset:
            raise BadCase(f"PixelData {tag_of('PixelData')} is missing or cut off {where}")
        for keyword in _NEEDED:
            if dataset.get(keyword) is None:
                raise BadCase(f"{keyword} {tag_of(keyword)} is missing {where}")
        if int(dataset.get("HighBit") or dataset.BitsStored - 1) != dataset.BitsStored - 1:
            raise BadCase(f"HighBit {tag_of('HighBit')} is not BitsStored − 1 {where}")
        if not dataset.file_meta.get("TransferSyntaxUID"):
            dataset.file_meta.TransferSyntaxUID = _guessed_syntax(dataset, where)
        if header.coded:
            index = max(0, header.frame - 1)
            stream = get_frame(dataset.PixelData, index, number_of_frames=header.frames)
            bits = check_stream_size(stream, header.rows, header.columns, where)
            check_stream_end(stream, where)
            if dataset.file_meta.TransferSyntaxUID in JPEG_LOSSLESS:
                check_stream(stream, header.rows, header.columns, where)
        stored = pixel_array(dataset, raw=True, index=header.frame - 1 if header.frames > 1 else None)
    except (BadCase, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # decoders raise anything on damaged data; a panic in Rust is no Exception
        kind = "compressed pixels are damaged" if header.coded else "pixels are damaged or their header is wrong"
        raise BadCase(f"the {kind} and cannot be decoded {where}") from error
    if stored.shape != (header.rows, header.columns):
        raise BadCase(f"the decoded pixels are not Rows × Columns {where}")
    if not np.issubdtype(stored.dtype, np.integer):
        raise BadCase(f"the pixels are no integers {where}")
    signed = bool(dataset.PixelRepresentation)
    return Stored(sign_extended(stored, int(dataset.BitsStored), signed, where), _padding(dataset, signed), bits)


def _dataset(path: Path) -> pydicom.Dataset:
    """Read a file from memory: an element that claims 4 GB then allocates no more than the file has."""
    return pydicom.dcmread(io.BytesIO(path.read_bytes()), force=True)


@lru_cache(maxsize=1)  # each frame of a file is decoded by a call of its own
def _dataset_of_frames(path: Path, _state: os.stat_result) -> pydicom.Dataset:
    return _dataset(path)


def _guessed_syntax(dataset: pydicom.Dataset, where: str) -> UID:
    """Return the transfer syntax of a file that does not name it, from the way in which its elements are written."""
    if dataset["PixelData"].is_undefined_length:
        raise BadCase(f"compressed pixels in a file without transfer syntax: its meta header is missing {where}")
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _padding(dataset: pydicom.Dataset, signed: bool) -> tuple[int, int] | None:
    """Return the range of stored values that mark padding; None if the header names none."""
    value, limit = dataset.get("PixelPaddingValue"), dataset.get("PixelPaddingRangeLimit")
    ends = [int(end) for end in (value, value if limit is None else limit) if isinstance(end, int | float)]
    if len(ends) < 2:
        return None
    if signed:  # some writers store a negative value in an unsigned element
        ends = [(end + (1 << 15)) % (1 << 16) - (1 << 15) for end in ends]
    return min(ends), max(ends)


def sign_extended(stored: np.ndarray, bits: int, signed: bool, where: str = "") -> np.ndarray:
    """Extend the sign of stored values to the whole integer, whether or not the decoder has done so.

    Parameters
    ----------
    stored : integer array
    bits : int
        BitsStored.
    signed : bool
        PixelRepresentation is 1.
    where : str
        Names the file in a message.

    Raises
    ------
    BadCase
        If the bits above those stored hold something else, an overlay for instance.

    References
    ----------
    DICOM PS3.5 8.1.1.
    """
    width = 8 * stored.dtype.itemsize
    if bits >= width:
        return stored
    mask = (1 << bits) - 1
    if signed:
        stored = stored.astype(f"i{stored.dtype.itemsize}", copy=False)
        shift = width - bits
        extended = np.right_shift(np.left_shift(stored, shift), shift)
        fits = (stored == extended) | (stored == (extended & mask))
    else:
        extended, fits = stored, stored <= mask
    if not fits.all():
        raise BadCase(f"pixel values do not fit BitsStored {tag_of('BitsStored')} {where}".rstrip())
    return extended
