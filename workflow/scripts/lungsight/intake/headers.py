"""Read the headers of a series folder and tell which of its files are CT slices."""

import mmap
import os
import re
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset

from lungsight.errors import BadCase
from lungsight.intake.acquisition import is_lossy, manufacturer_class, syntax_class
from lungsight.intake.header_values import HeaderValues, tag_of_keyword

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
DEFLATED = b"1.2.840.10008.1.2.1.99"
MAX_PIXELS = 4096 * 4096
MAX_INFLATED = 128 << 20  # bytes; the largest slice that MAX_PIXELS allows has 32 MiB

# Words of ImageType for pictures that were projected, resliced or computed, not reconstructed as an axial slice.
_PROJECTED = {"LOCALIZER", "SCOUT", "TOPOGRAM", "MIP", "MINIP", "AVERAGE", "PROJECTION"}
_COMPUTED = {*_PROJECTED, "MPR", "REFORMATTED", "PERFUSION"}
_NO_HOUNSFIELD = {"OD", "Z_EFF", "ED", "EDW", "MGML", "PCT"}  # RescaleType of material and perfusion maps
_FIRST_TAGS = [bytes((group, 0, element, 0)) for group, element in ((2, 0), (2, 1), (8, 0), (8, 5), (8, 8))]
_DICOM_SUFFIXES = {"", ".dcm", ".dicom", ".ima"}

_KEYWORDS = (
    "SOPClassUID",
    "Modality",
    "ImageType",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "AcquisitionNumber",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "ConvolutionKernel",
    "KVP",
    "ContrastBolusAgent",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "BurnedInAnnotation",
    "Manufacturer",
    "LossyImageCompression",
)
_TAGS = [tag_of_keyword(keyword) for keyword in _KEYWORDS]


@dataclass(frozen=True)
class SliceHeader:
    """The header of one CT file; None or "" where it is silent.

    Attributes
    ----------
    path : Path
    ordinal : int
        Number of the file in its folder, from 1. It names the file in messages, which must not show the path.
    series, frame_of_reference : str
        SeriesInstanceUID and FrameOfReferenceUID.
    kernel : str
        ConvolutionKernel in capitals.
    frames : int
        NumberOfFrames.
    enhanced : bool
        The file is an Enhanced CT.
    rows, columns : int
    position : (3,) array
        ImagePositionPatient, mm in LPS.
    orientation : (6,) array
        ImageOrientationPatient, LPS.
    spacing : (float, float)
        PixelSpacing: mm between rows, mm between columns.
    thickness : float
        SliceThickness in mm.
    acquisition, instance : int
        AcquisitionNumber and InstanceNumber.
    slope, intercept : float
        RescaleSlope and RescaleIntercept.
    kvp : float
    contrast : bool
        The header names a contrast agent.
    manufacturer, syntax : str
        Words of `acquisition`.
    lossy : bool
        The pixels were compressed with loss.
    burned_in : bool
        BurnedInAnnotation is YES.
    samples : int
        SamplesPerPixel.
    photometric : str
        PhotometricInterpretation.
    uncompressed_bytes : int
        Size of the pixels, if they are stored uncompressed.
    """

    path: Path
    ordinal: int
    series: str
    frame_of_reference: str
    kernel: str
    frames: int
    enhanced: bool
    rows: int
    columns: int
    position: np.ndarray | None
    orientation: np.ndarray | None
    spacing: tuple[float, float] | None
    thickness: float | None
    acquisition: int | None
    instance: int | None
    slope: float | None
    intercept: float | None
    kvp: float | None
    contrast: bool
    manufacturer: str
    syntax: str
    lossy: bool
    burned_in: bool
    samples: int
    photometric: str
    uncompressed_bytes: int | None


def tag_of(keyword: str) -> str:
    """Write the tag of a DICOM keyword as people do: (0028,0030)."""
    tag = tag_of_keyword(keyword)
    return f"({tag.group:04X},{tag.element:04X})"


def files_below(path: Path, root: Path) -> list[Path]:
    """List the file itself, or every file of a folder and its subfolders, sorted by path.

    Links that lead out of `root` are left out. So is anything that is not a file: a pipe would never end.
    """
    if path.is_file():
        return [path]
    inside = root.resolve()
    places = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
    inner = (file for file in places if not file.is_symlink() or Path(os.path.realpath(file)).is_relative_to(inside))
    return sorted(file for file in inner if file.is_file())


def check_inflated_size(path: Path, head: bytes) -> None:
    """Raise BadCase if a deflated file would inflate beyond the size of any slice. head: its first bytes."""
    if DEFLATED not in head:
        return
    start = 144 + int.from_bytes(head[140:144], "little")
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(path.read_bytes()[start:], MAX_INFLATED + 1)
    if len(inflated) > MAX_INFLATED:
        raise BadCase("a deflated file inflates beyond the size of any CT slice")


def _looks_like_dicom(head: bytes) -> bool:
    """Recognise a file with the preamble, or one without that starts with group 0002 or 0008, as in old archives."""
    return head[128:132] == b"DICM" or head[:4] in _FIRST_TAGS


def read_header(path: Path, ordinal: int) -> SliceHeader | str:
    """Read the header of a CT slice.

    Parameters
    ----------
    path : Path
    ordinal : int
        Number of the file in its folder.

    Returns
    -------
    SliceHeader or str
        A string describes what the file is instead of a CT slice.

    Raises
    ------
    BadCase
        For an empty file that is named like a slice, and for a deflate bomb.
    """
    if not path.stat().st_size:
        if path.suffix.lower() in _DICOM_SUFFIXES and not path.name.startswith("."):
            raise BadCase(f"file {ordinal} is empty")
        return "not DICOM"
    # A mapped file gives no more bytes than it has. Otherwise an element that claims 4 GB would get them allocated.
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        head = mapped[:1024]
        if not _looks_like_dicom(head):
            return "not DICOM"
        try:
            check_inflated_size(path, head)
            force = head[128:132] != b"DICM"
            dataset = pydicom.dcmread(
                mapped,  # pyright: ignore[reportArgumentType]  # pydicom reads anything with `read` and `seek`
                stop_before_pixels=True,
                specific_tags=_TAGS,
                force=force,
            )
            header, meta = HeaderValues(dataset), dataset.file_meta
            return _kind_of_other(header, meta) or _to_slice_header(header, meta, path, ordinal)
        except BadCase:
            raise
        except Exception:  # a damaged header fails in any of pydicom's many ways
            return "unreadable"


def _kind_of_other(header: HeaderValues, meta: FileMetaDataset) -> str:
    """Describe a DICOM file that is not a CT slice; "" for a CT slice."""
    sop_class = header.text("SOPClassUID") or str(meta.get("MediaStorageSOPClassUID") or "")
    modality = header.word("Modality")
    if not sop_class and not modality:
        return "unreadable"
    if sop_class not in (CT_IMAGE, *ENHANCED_CT, "") or modality not in ("", "CT"):
        return "no CT image"
    if _COMPUTED & set(re.split(r"[^A-Z0-9]+", header.word("ImageType"))):
        return "localizer, projection or reformatted image"
    if header.word("RescaleType") in _NO_HOUNSFIELD:
        return "not in HU"
    return ""


def _to_slice_header(header: HeaderValues, meta: FileMetaDataset, path: Path, ordinal: int) -> SliceHeader:
    position, orientation = header.numbers("ImagePositionPatient", 3), header.numbers("ImageOrientationPatient", 6)
    spacing = header.numbers("PixelSpacing", 2)
    rows, columns = header.whole("Rows", 0), header.whole("Columns", 0)
    syntax = meta.get("TransferSyntaxUID")
    raw = syntax is None or not (syntax.is_compressed or syntax.is_deflated)
    return SliceHeader(
        path=path,
        ordinal=ordinal,
        series=header.text("SeriesInstanceUID"),
        frame_of_reference=header.text("FrameOfReferenceUID"),
        kernel=header.word("ConvolutionKernel"),
        frames=header.whole("NumberOfFrames", 1),
        enhanced=header.text("SOPClassUID") in ENHANCED_CT,
        rows=rows,
        columns=columns,
        position=None if position is None else np.array(position),
        orientation=None if orientation is None else np.array(orientation),
        spacing=None if spacing is None else (spacing[0], spacing[1]),
        thickness=header.positive("SliceThickness"),
        acquisition=header.whole("AcquisitionNumber"),
        instance=header.whole("InstanceNumber"),
        slope=header.number("RescaleSlope"),
        intercept=header.number("RescaleIntercept"),
        kvp=header.positive("KVP"),
        contrast=header.word("ContrastBolusAgent") not in ("", "NO", "NONE", "N/A"),
        manufacturer=manufacturer_class(header.word("Manufacturer")),
        syntax=syntax_class(str(syntax or "")),
        lossy=is_lossy(str(syntax or ""), header.word("LossyImageCompression")),
        burned_in=header.word("BurnedInAnnotation") == "YES",
        samples=header.whole("SamplesPerPixel", 1),
        photometric=header.word("PhotometricInterpretation"),
        uncompressed_bytes=rows * columns * header.whole("BitsAllocated", 16) // 8 if raw else None,
    )


def read_headers(path: Path, root: Path) -> tuple[list[SliceHeader], Counter[str]]:
    """Read the headers of a series folder or of one file.

    Parameters
    ----------
    path : Path
    root : Path
        Links may not lead out of it.

    Returns
    -------
    slices : list of SliceHeader
        In path order.
    others : Counter
        How many other files there are, by what they are.

    Raises
    ------
    BadCase
        As `read_header` does.
    """
    slices: list[SliceHeader] = []
    others: Counter[str] = Counter()
    for ordinal, file in enumerate(files_below(path, root), start=1):
        header = read_header(file, ordinal)
        if isinstance(header, str):
            others[header] += 1
        else:
            slices.append(header)
    return slices, others
