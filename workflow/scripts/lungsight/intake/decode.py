"""Decode the stored pixel values of a DICOM slice in any transfer syntax."""

import io

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels import pixel_array  # pyright: ignore[reportPrivateImportUsage]  # documented here
from pydicom.uid import JPEGLossless, JPEGLosslessSV1

from lungsight.errors import BadCase
from lungsight.intake.headers import SliceHeader, tag_of
from lungsight.intake.jpeg_lossless import check_stream

JPEG_LOSSLESS = (JPEGLossless, JPEGLosslessSV1)


def stored_values(header: SliceHeader) -> np.ndarray:
    """Decode one slice through pydicom's plugins, without presentation state or colour map.

    JPEG Lossless streams are checked first, since gdcm ends the process on some damaged ones. imagecodecs decodes them
    in a third of the time, but makes an image of damaged streams that gdcm refuses (docs/peers.md).

    Returns
    -------
    (rows, columns) integers
        As stored, sign extended.

    Raises
    ------
    BadCase
        If the pixels are absent, truncated or cannot be decoded.
    """
    where = f"(file {header.ordinal})"
    try:
        # From memory: an element that claims 4 GB then allocates no more than the file has.
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
    except BaseException as error:  # decoders raise anything on damaged data; a panic in Rust is no Exception
        raise BadCase(f"the pixels cannot be decoded: {type(error).__name__} {where}") from error
    if stored.shape != (header.rows, header.columns):
        raise BadCase(f"the decoded pixels are not Rows × Columns {where}")
    if not np.issubdtype(stored.dtype, np.integer):
        raise BadCase(f"the pixels are no integers {where}")
    return sign_extended(stored, int(dataset.BitsStored), bool(dataset.PixelRepresentation), where)


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
