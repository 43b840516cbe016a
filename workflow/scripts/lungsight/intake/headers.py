"""Which files of a folder are CT slices, told by their headers alone."""

import mmap
import os
import re
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.tag import Tag

from lungsight.errors import BadCase
from lungsight.intake.acquisition import is_lossy, manufacturer_class, syntax_class

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
DEFLATED = b"1.2.840.10008.1.2.1.99"
MAX_PIXELS = 4096 * 4096
MAX_INFLATED = 128 << 20  # bytes; the largest slice that MAX_PIXELS allows has 32 MiB

# Words of ImageType that say a picture was projected, resliced or computed, not reconstructed as an axial slice.
_PROJECTED = {"LOCALIZER", "SCOUT", "TOPOGRAM", "MIP", "MINIP", "AVERAGE", "PROJECTION"}
_COMPUTED = {*_PROJECTED, "MPR", "REFORMATTED", "PERFUSION"}
_NO_HOUNSFIELD = {"OD", "Z_EFF", "ED", "EDW", "MGML", "PCT"}  # RescaleType of material and perfusion maps
_DICOM_SUFFIXES = {"", ".dcm", ".dicom", ".ima"}

_TAGS = [
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
]


@dataclass(frozen=True)
class SliceHeader:
    """What the header of one CT file says, None or empty where it is silent. `ordinal` names the file in messages.

    position: (3,) ImagePositionPatient, orientation: (6,) ImageOrientationPatient, both LPS; spacing: PixelSpacing
    (between rows, between columns) in mm; manufacturer, syntax: classes of `acquisition`.
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

    def require(self, value: object, keyword: str) -> None:
        """Raise BadCase that names the tag and the file unless the header has the value."""
        if value is None:
            raise BadCase(f"{keyword} {tag_of(keyword)} is missing (file {self.ordinal})")


def tag_of(keyword: str) -> str:
    """A DICOM keyword's tag as people write it: (0028,0030)."""
    tag = Tag(keyword)
    return f"({tag.group:04X},{tag.element:04X})"


def files_below(path: Path, root: Path) -> list[Path]:
    """The file itself, or every file of a folder, sorted by path.

    Left out are links that lead out of `root` and what is no file: a pipe would never end.
    """
    if path.is_file():
        return [path]
    inside = root.resolve()
    found = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
    inner = (file for file in found if not file.is_symlink() or Path(os.path.realpath(file)).is_relative_to(inside))
    return sorted(file for file in inner if file.is_file())


def _numbers(dataset: pydicom.Dataset, keyword: str, count: int) -> np.ndarray | None:
    """A multi-valued decimal attribute as float64 (count,), None where it is absent, short or not finite."""
    try:
        values = np.asarray(dataset.get(keyword), dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        return None
    return values if values.shape == (count,) and np.isfinite(values).all() else None


def _number(dataset: pydicom.Dataset, keyword: str) -> float | None:
    values = _numbers(dataset, keyword, 1)
    return None if values is None else float(values[0])


def _positive(dataset: pydicom.Dataset, keyword: str) -> float | None:
    value = _number(dataset, keyword)
    return value if value is not None and value > 0 else None


def _whole(dataset: pydicom.Dataset, keyword: str, default: int | None = None) -> int | None:
    value = _number(dataset, keyword)
    return default if value is None else int(value)


def _text(dataset: pydicom.Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip().upper()


def check_inflated_size(path: Path, head: bytes) -> None:
    """Raise BadCase if a deflated file would inflate beyond any slice's size. head: its first bytes."""
    if DEFLATED not in head:
        return
    start = 144 + int.from_bytes(head[140:144], "little")
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(path.read_bytes()[start:], MAX_INFLATED + 1)
    if len(inflated) > MAX_INFLATED:
        raise BadCase("a deflated file inflates beyond the size of any CT slice")


def _looks_like_dicom(head: bytes) -> bool:
    """With the preamble, or without one but starting with group 0002 or 0008 as old archives do."""
    return head[128:132] == b"DICM" or head[:4] in (b"\x08\x00\x00\x00", b"\x08\x00\x05\x00", b"\x08\x00\x08\x00")


def read_header(path: Path, ordinal: int) -> SliceHeader | str:
    """The header of a CT slice, or what the file is instead.

    Raises BadCase for an empty file that is called like a slice and for a deflate bomb.
    """
    if not path.stat().st_size:
        if path.suffix.lower() in _DICOM_SUFFIXES and not path.name.startswith("."):
            raise BadCase(f"file {ordinal} is empty")
        return "not DICOM"
    # Mapped, a file gives no more bytes than it has; an element that says it has 4 GB would have them allocated.
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        head = mapped[:1024]
        if not _looks_like_dicom(head):
            return "not DICOM"
        try:
            check_inflated_size(path, head)
            force = head[128:132] != b"DICM"
            dataset = pydicom.dcmread(mapped, stop_before_pixels=True, specific_tags=_TAGS, force=force)
            return _left_out(dataset) or _to_slice_header(dataset, path, ordinal)
        except BadCase:
            raise
        except Exception:  # a damaged header fails in any of pydicom's many ways
            return "unreadable"


def _left_out(dataset: pydicom.Dataset) -> str:
    """Why a DICOM file is no CT slice, "" if it is one."""
    sop_class = str(dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID") or "")
    modality = _text(dataset, "Modality")
    if not sop_class and not modality:
        return "unreadable"
    if sop_class not in (CT_IMAGE, *ENHANCED_CT, "") or modality not in ("", "CT"):
        return "no CT image"
    image_type = dataset.get("ImageType") or []
    words = set(re.split(r"[^A-Z0-9]+", " ".join([image_type] if isinstance(image_type, str) else image_type).upper()))
    if words & _COMPUTED:
        return "localizer, projection or reformatted image"
    if _text(dataset, "RescaleType") in _NO_HOUNSFIELD:
        return "not in HU"
    return ""


def _to_slice_header(dataset: pydicom.Dataset, path: Path, ordinal: int) -> SliceHeader:
    spacing = _numbers(dataset, "PixelSpacing", 2)
    rows, columns = _whole(dataset, "Rows", 0), _whole(dataset, "Columns", 0)
    syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    raw = syntax is None or not (syntax.is_compressed or syntax.is_deflated)
    return SliceHeader(
        path=path,
        ordinal=ordinal,
        series=str(dataset.get("SeriesInstanceUID") or ""),
        frame_of_reference=str(dataset.get("FrameOfReferenceUID") or ""),
        kernel=_text(dataset, "ConvolutionKernel"),
        frames=_whole(dataset, "NumberOfFrames", 1),
        enhanced=str(dataset.get("SOPClassUID") or "") in ENHANCED_CT,
        rows=rows,
        columns=columns,
        position=_numbers(dataset, "ImagePositionPatient", 3),
        orientation=_numbers(dataset, "ImageOrientationPatient", 6),
        spacing=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        thickness=_positive(dataset, "SliceThickness"),
        acquisition=_whole(dataset, "AcquisitionNumber"),
        instance=_whole(dataset, "InstanceNumber"),
        slope=_number(dataset, "RescaleSlope"),
        intercept=_number(dataset, "RescaleIntercept"),
        kvp=_positive(dataset, "KVP"),
        contrast=_text(dataset, "ContrastBolusAgent") not in ("", "NO", "NONE", "N/A"),
        manufacturer=manufacturer_class(_text(dataset, "Manufacturer")),
        syntax=syntax_class(str(syntax or "")),
        lossy=is_lossy(str(syntax or ""), _text(dataset, "LossyImageCompression")),
        burned_in=_text(dataset, "BurnedInAnnotation") == "YES",
        samples=_whole(dataset, "SamplesPerPixel", 1),
        photometric=_text(dataset, "PhotometricInterpretation"),
        uncompressed_bytes=rows * columns * _whole(dataset, "BitsAllocated", 16) // 8 if raw else None,
    )


def scan(path: Path, root: Path) -> tuple[list[SliceHeader], Counter[str]]:
    """Read the headers of a series folder or one file.

    Returns the CT slices in path order, and how many other files there were by what they are.
    Raises BadCase as `read_header` does.
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
