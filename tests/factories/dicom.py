"""Make small CT series with pydicom, and change them into whatever intake has to accept or refuse."""

from collections.abc import Iterable
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    JPEGLosslessSV1,
    RTStructureSetStorage,
    generate_uid,
)

from lungsight.errors import BadCase
from lungsight.intake.dicom import read_dicom
from lungsight.intake.volume import Volume, Window

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
FRAME = generate_uid(entropy_srcs=["frame"])


def uid(*parts: object) -> str:
    """Make a UID that is the same in every run."""
    return generate_uid(entropy_srcs=[str(part) for part in parts])


def made_hu(n: int = 8, rows: int = 24, columns: int = 32, seed: int = 0) -> np.ndarray:
    """Make integer HU (n, rows, columns) without symmetry.

    They show air, a body, a lung that moves with z, noise, and one pixel above the window.
    """
    rng = np.random.default_rng(seed)
    r, c = np.indices((rows, columns))
    hu = np.full((n, rows, columns), -1000)
    for k in range(n):
        body = ((r - rows * 0.45) / (rows * 0.4)) ** 2 + ((c - columns * 0.55) / (columns * 0.35)) ** 2 < 1
        hu[k][body] = 40 + 3 * c[body] - 2 * r[body]
        hu[k][rows // 3 : rows // 2, columns // 4 + k : columns // 2 + k] = -820
    hu[:, 2, 3] = 1500
    return hu + rng.integers(-8, 9, hu.shape)


def made_slice(
    hu: np.ndarray,
    position: Iterable[float],
    orientation: Iterable[float] = AXIAL,
    spacing: tuple[float, float] = (0.8, 0.7),
    thickness: float = 2.0,
    number: int = 1,
    series: str = "series",
    slope: float = 1.0,
    intercept: float = -1024.0,
) -> pydicom.Dataset:
    """Make one CT Image Storage data set; hu (rows, columns) is stored as signed 16-bit (hu − intercept) / slope."""
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid(series, number, tuple(position))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid("study"), uid(series)
    dataset.FrameOfReferenceUID = FRAME
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "MRN-4711"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20200314", "101112.131415", "ACC-99"
    dataset.Manufacturer, dataset.StudyID, dataset.SeriesNumber, dataset.PatientPosition = "made", "1", 1, "HFS"
    dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.InstanceNumber, dataset.AcquisitionNumber = number, 1
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = list(position), list(orientation)
    dataset.PixelSpacing, dataset.SliceThickness = list(spacing), thickness
    dataset.KVP, dataset.ConvolutionKernel = 120, "STANDARD"
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    set_pixels(dataset, np.rint((hu - intercept) / slope).astype(np.int16))
    return dataset


def set_pixels(dataset: pydicom.Dataset, stored: np.ndarray) -> None:
    """Put stored values (rows, columns) into a data set."""
    dataset.Rows, dataset.Columns = stored.shape
    dataset.PixelData = stored.astype("<i2").tobytes()


def compress_as_jpeg_lossless(dataset: pydicom.Dataset) -> None:
    """Compress the pixels as JPEG Lossless (process 14, selection value 1), for which pydicom has no encoder."""
    stored = dataset.pixel_array.view(np.uint16) & ((1 << dataset.BitsStored) - 1)
    encoded = imagecodecs.ljpeg_encode(stored, bitspersample=dataset.BitsStored)
    dataset.PixelData = encapsulate([encoded])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1


def made_series(
    hu: np.ndarray | None = None,
    origin: Iterable[float] = (-11.5, -23.25, 100.0),
    orientation: Iterable[float] = AXIAL,
    step: float = 2.0,
    **settings: object,
) -> list[pydicom.Dataset]:
    """Make a series along the slice normal, or against it (negative step), in the order of `hu` (n, rows, columns)."""
    hu = made_hu() if hu is None else hu
    orientation = np.asarray(orientation, float)
    normal = np.cross(orientation[:3], orientation[3:])
    return [
        made_slice(plane, np.round(np.asarray(origin) + k * step * normal, 6), orientation, number=k + 1, **settings)
        for k, plane in enumerate(hu)
    ]


def made_enhanced(datasets: list[pydicom.Dataset], part: tuple[int, int] = (0, 0)) -> pydicom.Dataset:
    """Make an Enhanced CT whose frames are slices of `made_series`, in their order.

    part: its number and the number of all parts, if it belongs to a concatenation.
    """
    first = datasets[0]
    enhanced = pydicom.Dataset()
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientName"):
        setattr(enhanced, keyword, first[keyword].value)
    for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        setattr(enhanced, keyword, first[keyword].value)
    enhanced.file_meta = FileMetaDataset()
    enhanced.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    enhanced.file_meta.MediaStorageSOPClassUID = enhanced.SOPClassUID = EnhancedCTImageStorage
    enhanced.SOPInstanceUID = enhanced.file_meta.MediaStorageSOPInstanceUID = uid("enhanced", *part)
    enhanced.Modality, enhanced.ImageType = "CT", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    enhanced.SamplesPerPixel, enhanced.PhotometricInterpretation = 1, "MONOCHROME2"
    enhanced.NumberOfFrames = len(datasets)
    if part[1]:
        enhanced.ConcatenationUID = uid("concatenation")
        enhanced.InConcatenationNumber, enhanced.InConcatenationTotalNumber = part
    shared = pydicom.Dataset()
    shared.PixelMeasuresSequence = [_copied(first, "PixelSpacing", "SliceThickness")]
    enhanced.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for dataset in datasets:
        frame = pydicom.Dataset()
        frame.PlanePositionSequence = [_copied(dataset, "ImagePositionPatient")]
        frame.PlaneOrientationSequence = [_copied(dataset, "ImageOrientationPatient")]
        frame.PixelValueTransformationSequence = [_copied(dataset, "RescaleSlope", "RescaleIntercept")]
        frame.PixelValueTransformationSequence[0].RescaleType = "HU"
        frames.append(frame)
    enhanced.PerFrameFunctionalGroupsSequence = frames
    enhanced.PixelData = b"".join(dataset.PixelData for dataset in datasets)
    return enhanced


def _copied(dataset: pydicom.Dataset, *keywords: str) -> pydicom.Dataset:
    copied = pydicom.Dataset()
    for keyword in keywords:
        setattr(copied, keyword, dataset[keyword].value)
    return copied


def save_series(folder: Path, datasets: Iterable[pydicom.Dataset]) -> Path:
    """Write data sets as 001.dcm, 002.dcm, … in their order; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, dataset in enumerate(datasets, start=1):
        dataset.save_as(folder / f"{number:03d}.dcm", enforce_file_format=True)
    return folder


def made_rtstruct(
    regions: dict[str, list[np.ndarray]], geometric_type: str = "CLOSED_PLANAR", frame: str = FRAME
) -> pydicom.Dataset:
    """Make an RTSTRUCT from contours (n, 3) in mm (LPS), by region name."""
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = RTStructureSetStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid("rtstruct")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid("study"), uid("rtstruct series")
    dataset.Modality = "RTSTRUCT"
    dataset.StructureSetROISequence, dataset.ROIContourSequence = Sequence(), Sequence()
    for number, (name, contours) in enumerate(regions.items(), start=1):
        region = pydicom.Dataset()
        region.ROINumber, region.ROIName, region.ReferencedFrameOfReferenceUID = number, name, frame
        dataset.StructureSetROISequence.append(region)
        drawn = pydicom.Dataset()
        drawn.ReferencedROINumber, drawn.ContourSequence = number, Sequence()
        for points in contours:
            contour = pydicom.Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = geometric_type, len(points)
            contour.ContourData = [float(f"{value:.6f}") for value in np.ravel(points)]
            drawn.ContourSequence.append(contour)
        dataset.ROIContourSequence.append(drawn)
    return dataset


def converted(folder: Path) -> Volume:
    """A series folder as intake reads it: the window −1250 … 250 HU, five slices at least."""
    return read_dicom(folder, folder, Window(-1250, 250), 5)


def refusal(folder: Path) -> str:
    """Why intake refuses a series folder."""
    with pytest.raises(BadCase) as caught:
        converted(folder)
    return str(caught.value)


def changed(datasets: list[pydicom.Dataset], places: Iterable[int], **values: object) -> list[pydicom.Dataset]:
    """Datasets, some of them with other values of elements."""
    for place in places:
        for keyword, value in values.items():
            setattr(datasets[place], keyword, value)
    return datasets
