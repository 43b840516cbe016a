"""Read the header of a file, and tell whether it is a CT slice."""

import mmap
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset

from lungsight.errors import BadCase
from lungsight.intake.acquisition import is_lossy, manufacturer_class, syntax_class
from lungsight.intake.file_names import HEAD, looks_like_dicom
from lungsight.intake.header_values import HeaderValues, tag_of_keyword

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
DEFLATED = b"1.2.840.10008.1.2.1.99"
MAX_PIXELS = 4096 * 4096
MAX_INFLATED = 128 << 20  # bytes; the largest slice that MAX_PIXELS allows has 32 MiB

# Words of ImageType for pictures that were projected, resliced or computed, not reconstructed as an axial slice.
_PROJECTED = {"LOCALIZER", "SCOUT", "TOPOGRAM", "MIP", "MINIP", "AVERAGE", "PROJECTION"}
_COMPUTED = {*_PROJECTED, "MPR", "REFORMATTED", "PERFUSION", "SUBTRACTION", "IODINE"}
# Whole values of it: maps of materials (PS3.3 C.8.15.3.1.4), and what one frame was computed from several by.
_COMPUTED_VALUES = {
    *("EFF_ATOMIC_NUM", "ELECTRON_DENSITY", "MAT_SPECIFIC", "MAT_FRACTIONAL", "MAT_VALUE_BASED"),
    *("MAX_IP", "MIN_IP", "MAXIMUM", "MINIMUM", "MEAN", "STD_DEVIATION"),
}
# RescaleType: some writers spell HU out, and US means unspecified. Others (Z_EFF, MGML, …) are material maps.
_HOUNSFIELD = re.compile(r"|US|UNSPECIFIED|NONE|(CT )?HU|HU_MOD|H\.?U\.?|.*HOUNSFIELD.*")
MODIFIED_HU = "HU_MOD"
NOT_DICOM = "not DICOM"
DICOM_SUFFIXES = {"", ".dcm", ".dicom", ".ima"}

_KEYWORDS = (
    "SOPClassUID",
    "Modality",
    "ImageType",
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "AcquisitionNumber",
    "AcquisitionTime",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "ConvolutionKernel",
    "KVP",
    "ContrastBolusAgent",
    "TriggerTime",
    "NominalPercentageOfCardiacPhase",
    "TemporalPositionIdentifier",
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
    "ConcatenationUID",
    "InConcatenationNumber",
    "InConcatenationTotalNumber",
)
_PHASES = ("TriggerTime", "NominalPercentageOfCardiacPhase", "TemporalPositionIdentifier")
_TAGS = [tag_of_keyword(keyword) for keyword in _KEYWORDS]
# Keyword → number of values.
_COUNTS = {
    "PixelSpacing": 2,
    "ImagePositionPatient": 3,
    "ImageOrientationPatient": 6,
    "RescaleSlope": 1,
    "RescaleIntercept": 1,
}
# What every slice needs: attribute of `SliceHeader` → keyword.
NEEDED = {
    "spacing": "PixelSpacing",
    "position": "ImagePositionPatient",
    "orientation": "ImageOrientationPatient",
    "slope": "RescaleSlope",
    "intercept": "RescaleIntercept",
}


class Patient(NamedTuple):
    """What a header says of the patient, to compare and never to print."""

    identifier: str
    name: str
    birth_date: str
    sex: str


@dataclass(frozen=True)
class LeftOut:
    """A file of a folder that is no CT slice.

    Attributes
    ----------
    kind : str
        What it is instead, in words.
    series : str
        SeriesInstanceUID; "" for a file that is not DICOM.
    position, orientation : arrays or None
        As of a `SliceHeader`: it may be a slice of a CT series all the same.
    """

    kind: str
    series: str = ""
    position: np.ndarray | None = None
    orientation: np.ndarray | None = None


@dataclass(frozen=True)
class SliceHeader:
    """The header of one CT file; None or "" where it is silent.

    Attributes
    ----------
    path : Path
    ordinal : int
        Number of the file in its folder, from 1. It names the file in messages, which must not show the path.
    frame : int
        Number of the frame in a multi-frame file, from 1; 0 is the whole file.
    patient : Patient
    study, series, frame_of_reference : str
        StudyInstanceUID, SeriesInstanceUID and FrameOfReferenceUID.
    concatenation : (str, int, int)
        ConcatenationUID, number of this part and of all parts, for an Enhanced CT in several files; "" and 0 if not.
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
    time : str
        AcquisitionTime.
    image_type : str
        ImageType or FrameType in capitals.
    phase : dict
        Keyword → value, of what tells the phases of a gated or repeated scan apart.
    slope, intercept : float
        RescaleSlope and RescaleIntercept.
    modified_hu : bool
        RescaleType is HU_MOD, as in virtual images of dual-energy CT.
    faults : dict
        Keyword → why its value cannot be used, for those of position, rescale and spacing that are there.
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
    coded : bool
        The pixels are compressed by a codec whose decoder may end its process.
    """

    path: Path
    ordinal: int
    frame: int
    patient: Patient
    study: str
    series: str
    frame_of_reference: str
    concatenation: tuple[str, int, int]
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
    time: str
    image_type: str
    phase: dict[str, str]
    slope: float | None
    intercept: float | None
    modified_hu: bool
    faults: dict[str, str]
    kvp: float | None
    contrast: bool
    manufacturer: str
    syntax: str
    lossy: bool
    burned_in: bool
    samples: int
    photometric: str
    uncompressed_bytes: int | None
    coded: bool

    @property
    def where(self) -> str:
        """Name the file, and the frame in it, in a message."""
        return f"(file {self.ordinal}, frame {self.frame})" if self.frame else f"(file {self.ordinal})"


def tag_of(keyword: str) -> str:
    """Write the tag of a DICOM keyword as people do: (0028,0030)."""
    tag = tag_of_keyword(keyword)
    return f"({tag.group:04X},{tag.element:04X})"


def check_inflated_size(path: Path, head: bytes) -> None:
    """Raise BadCase if a deflated file would inflate beyond the size of any slice. head: its first bytes."""
    if DEFLATED not in head:
        return
    start = 144 + int.from_bytes(head[140:144], "little")
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(path.read_bytes()[start:], MAX_INFLATED + 1)
    if len(inflated) > MAX_INFLATED:
        raise BadCase("a deflated file inflates beyond the size of any CT slice")


def read_header(path: Path, ordinal: int) -> SliceHeader | LeftOut:
    """Read the header of a CT slice.

    Parameters
    ----------
    path : Path
    ordinal : int
        Number of the file in its folder.

    Returns
    -------
    SliceHeader or LeftOut

    Raises
    ------
    BadCase
        For an empty file that is named like a slice, and for a deflate bomb.
    """
    if not path.stat().st_size:
        if path.suffix.lower() in DICOM_SUFFIXES and not path.name.startswith("."):
            raise BadCase(f"file {ordinal} is empty")
        return LeftOut(NOT_DICOM)
    # A mapped file gives no more bytes than it has. Otherwise an element that claims 4 GB would get them allocated.
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        head = mapped[:HEAD]
        if not looks_like_dicom(head):
            return LeftOut(NOT_DICOM)
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
            kind = _kind_of_other(header, meta)
            if kind == "no CT image" and _is_cut_ct_class(header.text("SOPClassUID") or _stored_class(meta)):
                raise _cut(ordinal)
            return _left_out(kind, header) if kind else _to_slice_header(header, meta, path, ordinal)
        except BadCase:
            raise
        except Exception as error:  # a damaged header fails in any of pydicom's many ways
            if _says_ct(head):
                raise BadCase(f"the header of file {ordinal}, a CT image, is damaged or cut off") from error
            return LeftOut("unreadable")


def _left_out(kind: str, header: HeaderValues) -> LeftOut:
    placed = placement(lambda _: header)
    return LeftOut(kind, header.text("SeriesInstanceUID"), placed["position"], placed["orientation"])


def _stored_class(meta: FileMetaDataset) -> str:
    return str(meta.get("MediaStorageSOPClassUID") or "")


def _is_cut_ct_class(sop_class: str) -> bool:
    """Tell whether a file ends within the UID of a CT class."""
    classes = (CT_IMAGE, *ENHANCED_CT)
    return bool(sop_class) and sop_class not in classes and any(name.startswith(sop_class) for name in classes)


def _cut(ordinal: int) -> BadCase:
    return BadCase(f"the header of file {ordinal}, a CT image, is cut off before its pixels: the file is truncated")


def _says_ct(head: bytes) -> bool:
    """Tell whether the first bytes of a file name a CT class."""
    return any(sop_class.encode() in head for sop_class in (CT_IMAGE, *ENHANCED_CT))


def _kind_of_other(header: HeaderValues, meta: FileMetaDataset) -> str:
    """Describe a DICOM file that is not a CT slice; "" for a CT slice."""
    sop_class = header.text("SOPClassUID") or _stored_class(meta)
    modality = header.word("Modality")
    if not sop_class and not modality:
        return "unreadable"
    if sop_class not in (CT_IMAGE, *ENHANCED_CT, "") or modality not in ("", "CT"):
        return "no CT image"
    if is_computed(header.word("ImageType")):
        return "localizer, projection or reformatted image"
    return "" if is_hounsfield(header.word("RescaleType")) else "not in HU"


def is_hounsfield(rescale_type: str) -> bool:
    """Tell whether a RescaleType, in capitals, lets the pixels be HU: it says so, or says nothing."""
    return _HOUNSFIELD.fullmatch(rescale_type) is not None


def is_computed(image_type: str) -> bool:
    """Tell whether an ImageType or FrameType, in capitals, is that of a projected, resliced or computed picture."""
    values, words = image_type.split("\\"), re.split(r"[^A-Z0-9]+", image_type)
    return not (_COMPUTED.isdisjoint(words) and _COMPUTED_VALUES.isdisjoint(value.strip() for value in values))


def placement(values_of: Callable[[str], HeaderValues]) -> dict[str, Any]:
    """Read where a slice lies and how it is rescaled: the attributes of `NEEDED`, and `faults`, of a `SliceHeader`.

    Parameters
    ----------
    values_of : callable
        Keyword → the data set that holds it: the header, or a functional group of a frame.
    """
    numbers = {keyword: values_of(keyword).numbers(keyword, count) for keyword, count in _COUNTS.items()}
    faults = {
        keyword: fault
        for keyword, found in numbers.items()
        if found is None and (fault := values_of(keyword).fault(keyword, _COUNTS[keyword]))
    }
    position, orientation = numbers["ImagePositionPatient"], numbers["ImageOrientationPatient"]
    spacing, slope, intercept = numbers["PixelSpacing"], numbers["RescaleSlope"], numbers["RescaleIntercept"]
    return {
        "position": None if position is None else np.array(position),
        "orientation": None if orientation is None else np.array(orientation),
        "spacing": None if spacing is None else (spacing[0], spacing[1]),
        "slope": None if slope is None else slope[0],
        "intercept": None if intercept is None else intercept[0],
        "faults": faults,
    }


def _to_slice_header(header: HeaderValues, meta: FileMetaDataset, path: Path, ordinal: int) -> SliceHeader:
    rows, columns = header.whole("Rows", 0), header.whole("Columns", 0)
    if not rows and not columns and header.whole("BitsAllocated") is None:
        raise _cut(ordinal)
    syntax, frames = meta.get("TransferSyntaxUID"), header.whole("NumberOfFrames", 1)
    raw = syntax is None or not (syntax.is_compressed or syntax.is_deflated)
    return SliceHeader(
        path=path,
        ordinal=ordinal,
        frame=0,
        patient=Patient(
            header.word("PatientID"),
            header.word("PatientName"),
            header.text("PatientBirthDate"),
            header.word("PatientSex"),
        ),
        study=header.text("StudyInstanceUID"),
        series=header.text("SeriesInstanceUID"),
        frame_of_reference=header.text("FrameOfReferenceUID"),
        concatenation=(
            header.text("ConcatenationUID"),
            header.whole("InConcatenationNumber", 0),
            header.whole("InConcatenationTotalNumber", 0),
        ),
        kernel=header.word("ConvolutionKernel"),
        frames=frames,
        enhanced=header.text("SOPClassUID") in ENHANCED_CT,
        rows=rows,
        columns=columns,
        thickness=header.positive("SliceThickness"),
        acquisition=header.whole("AcquisitionNumber"),
        instance=header.whole("InstanceNumber"),
        time=header.text("AcquisitionTime"),
        image_type=header.word("ImageType"),
        phase={keyword: header.text(keyword) for keyword in _PHASES},
        modified_hu=header.word("RescaleType") == MODIFIED_HU,
        kvp=header.positive("KVP"),
        contrast=header.word("ContrastBolusAgent") not in ("", "NO", "NONE", "N/A"),
        manufacturer=manufacturer_class(header.word("Manufacturer")),
        syntax=syntax_class(str(syntax or "")),
        lossy=is_lossy(str(syntax or ""), header.word("LossyImageCompression")),
        burned_in=header.word("BurnedInAnnotation") == "YES",
        samples=header.whole("SamplesPerPixel", 1),
        photometric=header.word("PhotometricInterpretation"),
        uncompressed_bytes=frames * rows * columns * header.whole("BitsAllocated", 16) // 8 if raw else None,
        coded=syntax is not None and syntax.is_encapsulated,
        **placement(lambda _: header),
    )
