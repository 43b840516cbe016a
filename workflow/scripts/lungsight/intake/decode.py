"""Stored pixel values of DICOM files, whatever their transfer syntax."""

import io

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels import pixel_array
from pydicom.uid import JPEGLossless, JPEGLosslessSV1

from lungsight.errors import BadCase
from lungsight.intake.headers import SliceHeader, tag_of
from lungsight.intake.jpeg_lossless import check_stream

JPEG_LOSSLESS = (JPEGLossless, JPEGLosslessSV1)


def stored_values(header: SliceHeader) -> np.ndarray:
    """Decode one slice through pydicom's plugins; no presentation state and no colour map is applied.

    JPEG Lossless streams are checked first, since gdcm ends the process on some that are damaged. imagecodecs reads
    them in a third of the time, but makes an image of damaged ones that gdcm refuses (docs/peers.md).

    Returns integers (rows, columns) as stored, sign extended. Raises BadCase for pixels that are absent, truncated or
    cannot be decoded.
    """
    where = f"(file {header.ordinal})"
    try:
        # From memory: of an element that says it has 4 GB no more is allocated than the file has.
        dataset = pydicom.dcmread(io.BytesIO(header.path.read_bytes()), force=True)
        if "PixelData" not in dataset:
            raise BadCase(f"PixelData {tag_of('PixelData')} is missing or cut off {where}")
        if int(dataset.get("HighBit") or dataset.BitsStored - 1) != dataset.BitsStored - 1:
            raise BadCase(f"HighBit {tag_of('HighBit')} is not BitsStored − 1 {where}")
        if dataset.file_meta.TransferSyntaxUID in JPEG_LOSSLESS:
            stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
            check_stream(stream, header.rows, header.columns, where)
        stored = pixel_array(dataset, raw=True)
    except (BadCase, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # decoders raise what they like on damaged data; a panic in Rust is no Exception
        raise BadCase(f"the pixels cannot be decoded: {type(error).__name__} {where}") from error
    if stored.shape != (header.rows, header.columns):
        raise BadCase(f"the decoded pixels are not Rows × Columns {where}")
    if not np.issubdtype(stored.dtype, np.integer):
        raise BadCase(f"the pixels are no integers {where}")
    return sign_extended(stored, int(dataset.BitsStored), bool(dataset.PixelRepresentation), where)


def sign_extended(stored: np.ndarray, bits: int, signed: bool, where: str = "") -> np.ndarray:
    """Give values of `bits` bits their sign, whether the decoder filled the bits above or not.

    Raises BadCase if those bits hold something else (an overlay, say). Source: DICOM PS3.5 8.1.1.
    """
    width = 8 * stored.dtype.itemsize
    if bits >= width:
        return stored
    mask = (1 << bits) - 1
    if signed:
        stored = stored.astype(f"i{stored.dtype.itemsize}", copy=False)
        shift = width - bits
        extended = np.right_shift(np.left_shift(stored, shift), shift)
        plain = (stored == extended) | (stored == (extended & mask))
    else:
        extended, plain = stored, stored <= mask
    if not plain.all():
        raise BadCase(f"pixel values do not fit BitsStored {tag_of('BitsStored')} {where}".rstrip())
    return extended
