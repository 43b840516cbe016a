"""Write lung masks as DICOM SEG that belong to the series they were made of.

Such a file names the patient, the study and every slice of its series, as a viewer or an archive needs. It is for the
private folder alone.

References
----------
DICOM PS3.3 A.51 (Segmentation IOD), PS3.16 CID 7150 and CID 7162.
"""

import hashlib
import hmac
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom
import numpy as np
import pydicom
from pydicom.sr.codedict import codes

from lungsight import __version__
from lungsight.errors import BadCase
from lungsight.intake.cases import Intake, reads_scan, series_rule_of
from lungsight.intake.cohort_table import TableRow, case_of
from lungsight.intake.dicom import read_stack
from lungsight.intake.geometry import LPS_TO_RAS
from lungsight.intake.stacks import Stack
from lungsight.program import keep_private, log
from lungsight.segmentation.volumes import read_mask

SERIES_NUMBER = 9000
# What the patient and study modules of a SEG must have, if only empty (type 2), and a series may lack.
_MAY_BE_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)


@dataclass(frozen=True)
class Algorithm:
    """What made a mask.

    Attributes
    ----------
    name, version : str
    learned : bool
        It is a trained network.
    """

    name: str
    version: str
    learned: bool


def uid_of(key: bytes, *parts: str) -> str:
    """Make a UID (2.25., a UUID) that is always the same for one key and the same parts, and leads back to nothing."""
    digest = hmac.new(key, "\0".join(parts).encode(), hashlib.sha256).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def segmentation_of(
    mask: np.ndarray, affine: np.ndarray, stack: Stack, algorithm: Algorithm, key: bytes
) -> pydicom.Dataset:
    """Make the SEG of a lung mask.

    Parameters
    ----------
    mask : (i, j, k) bool
    affine : (4, 4) array
        From its index to mm in RAS.
    stack : Stack
        The slices of the series.
    algorithm : Algorithm
    key : bytes
        Of the UIDs.

    Raises
    ------
    BadCase
        If the mask does not lie on the grid of the series, or marks nothing, which a SEG cannot say.
    """
    if not mask.any():
        raise BadCase("the mask is empty")
    images = source_images(stack)
    planes = _in_order_of(stack, mask, affine)
    content = hashlib.sha256(np.packbits(planes).tobytes()).hexdigest()
    series = str(images[0].SeriesInstanceUID)
    family = codes.cid7162.ArtificialIntelligence if algorithm.learned else codes.cid7162.MorphologicalOperations
    description = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label="Lungs",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.Lung,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(algorithm.name, family, algorithm.version),
    )
    segmentation = highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=planes.astype(np.uint8),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[description],
        series_instance_uid=uid_of(key, "series", series, algorithm.name),
        series_number=SERIES_NUMBER,
        sop_instance_uid=uid_of(key, "instance", series, algorithm.name, algorithm.version, content),
        instance_number=1,
        manufacturer="lungsight",
        manufacturer_model_name="lungsight",
        software_versions=__version__,
        device_serial_number="1",
        content_label="LUNGS",
        content_description="Lungs",
    )
    segmentation.SeriesDescription = f"Lungs by {algorithm.name}"
    return segmentation


def source_images(stack: Stack) -> list[pydicom.Dataset]:
    """Read the headers of the files of a stack, in its order; what a SEG takes over from them is there, if only empty.

    Raises
    ------
    BadCase
        For a series in several multi-frame files, which one SEG cannot refer to frame by frame.
    """
    files = list(dict.fromkeys(header.path for header in stack.slices))
    if len(files) < len(stack.slices) and len(files) > 1:
        raise BadCase("its slices lie in several multi-frame files")
    images: list[pydicom.Dataset] = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    for image in images:
        for keyword in _MAY_BE_EMPTY:
            if keyword not in image:
                setattr(image, keyword, "")
        _share_what_all_frames_have(image)
    return images


def _share_what_all_frames_have(image: pydicom.Dataset) -> None:
    """Say of all frames of a file what intake found equal in each: highdicom looks for it there."""
    if "SharedFunctionalGroupsSequence" not in image:
        return
    shared, first = image.SharedFunctionalGroupsSequence[0], image.PerFrameFunctionalGroupsSequence[0]
    for keyword in ("PlaneOrientationSequence", "PixelMeasuresSequence"):
        if keyword not in shared:
            setattr(shared, keyword, first[keyword].value)


def _in_order_of(stack: Stack, mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Turn a mask into the planes of a series: (slices, rows, columns) bool, in the order of its frames or files."""
    slices, first = len(stack.slices), stack.slices[0]
    turned = np.eye(4)[:, [2, 1, 0, 3]]  # highdicom counts slice, row, column; a stack column, row, slice
    wanted = highdicom.VolumeGeometry(
        affine=LPS_TO_RAS @ stack.affine @ turned,
        spatial_shape=(slices, first.rows, first.columns),
        coordinate_system="PATIENT",
    )
    volume = highdicom.Volume(array=mask, affine=LPS_TO_RAS @ affine, coordinate_system="PATIENT")
    if mask.size != slices * first.rows * first.columns:
        raise BadCase("the mask has another shape than the series")
    try:
        planes = volume.match_geometry(wanted).array
    except RuntimeError as error:
        raise BadCase("the mask does not lie on the grid of the series") from error
    frames = [header.frame for header in stack.slices]
    return planes[np.argsort(frames, kind="stable")] if any(frames) else planes


@reads_scan("path")
def _write_segmentation(row: TableRow, intake: Intake, masks: Path, folder: Path, algorithm: Algorithm) -> None:
    case = case_of(intake.key, intake.cohort, row.path)
    try:
        stack, _ = read_stack(
            intake.root / row.path,
            intake.root,
            intake.min_slices,
            intake.settings["burned_in"] == "allow",
            series_rule_of(intake),
        )
        mask, affine = read_mask(masks / f"{case}.nii.gz")
        segmentation_of(mask, affine, stack, algorithm, intake.key).save_as(folder / f"{case}.dcm")
    except BadCase as error:
        log(f"row {row.row}: no DICOM SEG: {error}")
    except Exception as error:  # highdicom and pydicom raise many types on headers that do not follow the standard
        keep_private(f"dicom-seg-{intake.cohort}-row-{row.row}.txt", traceback.format_exc())
        log(f"row {row.row}: no DICOM SEG: it could not be made ({type(error).__name__})")


def write_segmentations(
    rows: Sequence[TableRow], intake: Intake, masks: Path, folder: Path, algorithm: Algorithm
) -> Iterator[TableRow]:
    """Write a SEG for every row that has a mask, and yield each row. The log names rows that have none.

    Parameters
    ----------
    rows : sequence of TableRow
        Of a cohort of format dicom.
    intake : Intake
    masks : Path
        Masks of the shard as NIfTI, <case>.nii.gz.
    folder : Path
        Each SEG is called <case>.dcm.
    algorithm : Algorithm
    """
    for row in rows:
        _write_segmentation(row, intake, masks, folder, algorithm)
        yield row
