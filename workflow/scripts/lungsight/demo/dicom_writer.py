"""Write phantoms as a hospital's archive hands them out: a CT series, and an RTSTRUCT with contours on it.

Names, ids and dates are invented but look real, so that a test can search for them where they must not appear. UIDs
follow from the seed alone.
"""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid
from pydicom.valuerep import format_number_as_ds
from skimage.measure import find_contours

from lungsight.demo.anatomy import Phantom
from lungsight.demo.scanner import PADDING_HU
from lungsight.intake.geometry import slice_to_image

UNSIGNED_INTERCEPT = -1024
UNSIGNED_BITS = 12
ROI_COLOURS = {
    "Lung-Left": [0, 160, 255],
    "Lung-Right": [0, 220, 120],
    "GTV-1": [255, 60, 60],
    "Spinal-Cord": [250, 220, 0],
}


def stored_hu(phantom: Phantom) -> np.ndarray:
    """Round the phantom's HU to what a file can hold: (i, j, k) int16 within the scanner's stored range."""
    hu = np.rint(phantom.hu)
    if not phantom.scanner.circular:
        hu = np.clip(hu, UNSIGNED_INTERCEPT, UNSIGNED_INTERCEPT + 2**UNSIGNED_BITS - 1)
    return hu.astype(np.int16)


def _ds(value: float) -> str:
    return format_number_as_ds(float(value))


def _uid(identity: str, *parts: object) -> str:
    return generate_uid(entropy_srcs=[identity, *map(str, parts)])


def _file_meta(dataset: Dataset) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta


def _patient_and_study(phantom: Phantom, identity: str, patient: str) -> Dataset:
    """Make the DICOM modules that every object of a study repeats."""
    rng = np.random.default_rng([*identity.encode()])
    day = date(2020, 3, 1) + timedelta(days=int(rng.integers(600)))
    age = int(rng.integers(25, 88))
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = f"PHANTOM^{patient}^{identity.split('/')[0].title()}"
    dataset.PatientID = f"PH{int(rng.integers(10**6, 10**7))}"
    dataset.PatientBirthDate = f"{day.year - age}{int(rng.integers(1, 13)):02d}{int(rng.integers(1, 29)):02d}"
    dataset.PatientSex = str(rng.choice(["F", "M"]))
    dataset.PatientAge = f"{age:03d}Y"
    dataset.StudyInstanceUID = _uid(identity, "study")
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = f"{day:%Y%m%d}"
    dataset.StudyTime = f"{int(rng.integers(8, 18)):02d}{int(rng.integers(60)):02d}{int(rng.integers(60)):02d}.000000"
    dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = dataset.StudyTime
    dataset.AccessionNumber = f"A{int(rng.integers(10**7, 10**8))}"
    dataset.StudyID = str(int(rng.integers(1000, 10000)))
    dataset.StudyDescription = "CT THORAX"
    dataset.InstitutionName = "Phantom General Hospital"
    dataset.ReferringPhysicianName = "PHANTOM^DOCTOR"
    dataset.OperatorsName = "PHANTOM^OPERATOR"
    dataset.Manufacturer = phantom.scanner.manufacturer
    dataset.ManufacturerModelName = phantom.scanner.model
    dataset.StationName = f"CT{phantom.scanner.name.upper()}1"
    dataset.DeviceSerialNumber = str(int(rng.integers(10**4, 10**5)))
    dataset.FrameOfReferenceUID = _uid(identity, "frame")
    dataset.PositionReferenceIndicator = ""
    return dataset


def _ct_header(phantom: Phantom, identity: str, patient: str) -> Dataset:
    """Make the header that all slices of the series share."""
    scanner = phantom.scanner
    dataset = _patient_and_study(phantom, identity, patient)
    dataset.SOPClassUID = CTImageStorage
    dataset.Modality = "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SeriesInstanceUID = _uid(identity, "series")
    dataset.SeriesNumber = "2"
    dataset.SeriesDescription = f"THORAX {scanner.kernel}"
    dataset.ProtocolName = "Thorax routine"
    dataset.BodyPartExamined = "CHEST"
    dataset.PatientPosition = "HFS"
    dataset.AcquisitionNumber = "1"
    dataset.KVP = str(scanner.kvp)
    dataset.ConvolutionKernel = scanner.kernel
    dataset.SliceThickness = _ds(scanner.thickness)
    dataset.SpacingBetweenSlices = _ds(phantom.spacing[2])
    dataset.ReconstructionDiameter = _ds(scanner.field_of_view)
    dataset.GantryDetectorTilt = "0"
    dataset.BurnedInAnnotation = "NO"
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [_ds(phantom.spacing[1]), _ds(phantom.spacing[0])]
    dataset.Rows, dataset.Columns = phantom.hu.shape[1], phantom.hu.shape[0]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 16
    dataset.BitsStored = 16 if scanner.circular else UNSIGNED_BITS
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(scanner.circular)
    if scanner.circular:
        dataset.add_new("PixelPaddingValue", "SS", int(PADDING_HU))
    dataset.RescaleIntercept = "0" if scanner.circular else str(UNSIGNED_INTERCEPT)
    dataset.RescaleSlope = "1"
    dataset.RescaleType = "HU"
    dataset.WindowCenter, dataset.WindowWidth = "-500", "1500"
    return dataset


def instance_uid(identity: str, k: int) -> str:
    """Make the SOPInstanceUID of slice k, counted from the feet."""
    return _uid(identity, "slice", k)


def write_ct_series(folder: Path, phantom: Phantom, identity: str, patient: str) -> None:
    """Write one file per slice, as uncompressed CT Image Storage. The order of file names is random.

    Parameters
    ----------
    folder : Path
    phantom : Phantom
    identity : str
        Seeds the UIDs and the invented person.
    patient : str
        Goes into the invented name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dataset = _ct_header(phantom, identity, patient)
    stored = stored_hu(phantom) - int(dataset.RescaleIntercept)
    slices = phantom.hu.shape[2]
    names = np.random.default_rng([*identity.encode(), 1]).permutation(slices)
    last = phantom.affine @ [phantom.hu.shape[0] - 1, phantom.hu.shape[1] - 1, 0, 1]
    for k in range(slices):
        z = phantom.origin[2] + k * phantom.spacing[2]
        dataset.SOPInstanceUID = instance_uid(identity, k)
        dataset.InstanceNumber = str(slices - k)
        dataset.ImagePositionPatient = [_ds(-last[0]), _ds(-last[1]), _ds(z)]
        dataset.SliceLocation = _ds(z)
        pixels = np.ascontiguousarray(slice_to_image(stored[:, :, k]))
        dataset.PixelData = pixels.astype("<i2" if dataset.PixelRepresentation else "<u2").tobytes()
        _file_meta(dataset)
        dataset.save_as(folder / f"IM{names[k] + 1:04d}.dcm", enforce_file_format=True)


def outlines(mask: np.ndarray, affine: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Draw closed contours around the pixels of a mask.

    A ring runs half-way between the pixel centres inside and outside. So a test of pixel centres gives the mask back.

    Parameters
    ----------
    mask : (i, j, k) bool
        On canonical axes.
    affine : (4, 4) array
        From the index to mm in RAS.

    Returns
    -------
    list of (k, points)
        For each ring, holes included, its slice and its points (n, 3) in mm, LPS.
    """
    rings = []
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        for ring in find_contours(np.pad(mask[:, :, k], 1).astype(np.float32), 0.5):
            index = np.column_stack([ring[:-1] - 1, np.full(len(ring) - 1, k), np.ones(len(ring) - 1)])
            rings.append((int(k), (index @ affine.T)[:, :3] * [-1, -1, 1]))
    return rings


def _reference(uid: str) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = CTImageStorage
    reference.ReferencedSOPInstanceUID = uid
    return reference


def _referenced_frame(dataset: Dataset, identity: str, slices: int) -> Dataset:
    """Refer to the frame of reference, the study and the series that the contours were drawn on."""
    series = Dataset()
    series.SeriesInstanceUID = _uid(identity, "series")
    series.ContourImageSequence = Sequence([_reference(instance_uid(identity, k)) for k in range(slices)])
    study = Dataset()
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    study.ReferencedSOPInstanceUID = dataset.StudyInstanceUID
    study.RTReferencedSeriesSequence = Sequence([series])
    frame = Dataset()
    frame.FrameOfReferenceUID = dataset.FrameOfReferenceUID
    frame.RTReferencedStudySequence = Sequence([study])
    return frame


def _contour(points: np.ndarray, uid: str) -> Dataset:
    contour = Dataset()
    contour.ContourImageSequence = Sequence([_reference(uid)])
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(points)
    contour.ContourData = [f"{value:.3f}" for value in points.ravel()]
    return contour


def write_rtstruct(path: Path, phantom: Phantom, identity: str, patient: str) -> None:
    """Write the true outlines of both lungs, the tumour and the spinal cord as one RT Structure Set."""
    regions = {
        "Lung-Left": phantom.lung_left,
        "Lung-Right": phantom.lung_right,
        "GTV-1": phantom.lesion,
        "Spinal-Cord": phantom.cord,
    }
    dataset = _patient_and_study(phantom, identity, patient)
    dataset.SOPClassUID = RTStructureSetStorage
    dataset.SOPInstanceUID = _uid(identity, "rtstruct")
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesInstanceUID = _uid(identity, "rtstruct series")
    dataset.SeriesNumber = "3"
    dataset.StructureSetLabel = "THORAX"
    dataset.StructureSetDate, dataset.StructureSetTime = dataset.StudyDate, dataset.StudyTime
    dataset.ApprovalStatus = "UNAPPROVED"
    frame = _referenced_frame(dataset, identity, phantom.hu.shape[2])
    dataset.ReferencedFrameOfReferenceSequence = Sequence([frame])
    structures, contoured, observations = [], [], []
    for number, (name, mask) in enumerate(regions.items(), start=1):
        structure = Dataset()
        structure.ROINumber = number
        structure.ReferencedFrameOfReferenceUID = dataset.FrameOfReferenceUID
        structure.ROIName = name
        structure.ROIGenerationAlgorithm = "MANUAL"
        structures.append(structure)
        region = Dataset()
        region.ROIDisplayColor = ROI_COLOURS[name]
        region.ReferencedROINumber = number
        rings = outlines(mask, phantom.affine)
        region.ContourSequence = Sequence([_contour(points, instance_uid(identity, k)) for k, points in rings])
        contoured.append(region)
        observation = Dataset()
        observation.ObservationNumber = number
        observation.ReferencedROINumber = number
        observation.RTROIInterpretedType = "GTV" if name.startswith("GTV") else "ORGAN"
        observation.ROIInterpreter = ""
        observations.append(observation)
    dataset.StructureSetROISequence = Sequence(structures)
    dataset.ROIContourSequence = Sequence(contoured)
    dataset.RTROIObservationsSequence = Sequence(observations)
    _file_meta(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
