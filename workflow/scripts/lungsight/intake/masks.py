"""Read the lung mask of a case onto the grid of its image, from RTSTRUCT, DICOM SEG, NIfTI, NRRD or MetaImage."""

import io
from pathlib import Path

import highdicom
import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lungsight.errors import BadCase
from lungsight.intake.contours import (
    ON_A_SLICE,
    choose_regions,
    off_slices,
    rasterise,
    read_regions,
)
from lungsight.intake.decode import decompressed
from lungsight.intake.file_kinds import DICOM, HEAD, is_gzip, kind_of, unpacked
from lungsight.intake.geometry import LPS_TO_RAS, same_grid
from lungsight.intake.headers import check_inflated_size
from lungsight.intake.mask_plausibility import check_gaps, check_mask
from lungsight.intake.nifti import Grid, load_volume
from lungsight.intake.plausibility import settle
from lungsight.intake.slice_files import files_below
from lungsight.intake.volume import Volume, Window
from lungsight.patient_ids import is_missing, normalised

RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", LABELMAP)
HALF = 0.5  # of the greatest fraction of a FRACTIONAL SEG

Regions = dict[str, np.ndarray]  # "left", "right", "both", "without_tumour", "tumour" → (i, j, k) bool


def read_mask(
    path: Path,
    volume: Volume,
    roi_names: dict[str, list[str]],
    tumour_in_lung: bool,
    window: Window | None = None,
    doubtful: str = "refuse",
) -> np.ndarray:
    """Read the lung mask of a case. What looks odd about it becomes a note of the volume.

    Parameters
    ----------
    path : Path
        A NIfTI, NRRD or MetaImage (labels above 0 are lung), an RTSTRUCT or SEG file, or a folder that holds one
        RTSTRUCT or SEG, perhaps among other files.
    volume : Volume
        The case.
    roi_names : dict
        Regular expressions for the regions "left", "right", "both", "without_tumour" and "tumour".
    tumour_in_lung : bool
        Whether tumour counts as lung.
    window : Window, optional
        Of the volume. With it, the mask is compared with the HU below it.
    doubtful : {"refuse", "note", "off"}
        What happens to a mask that is no lung by its HU: the config's `intake.plausibility`.

    Returns
    -------
    uint8 array of the shape of `volume.voxels`
        1 is lung.

    Raises
    ------
    BadCase
        For a mask that does not fit the image, has gaps, has no lung in it or lies on none, or cannot be read.
    """
    file = _mask_file(path)
    kind = _kind_of(file)
    if kind == DICOM:
        if is_gzip(file):
            raise BadCase("the mask is compressed as a whole: unpack it")
        mask = labels = _mask_of_dicom(file, volume, roi_names, tumour_in_lung)
    elif kind:
        labels = _lung_labels(file, volume)
        mask = (labels > 0).astype(np.uint8)
    else:
        raise BadCase("the mask is no readable RTSTRUCT, SEG, NIfTI, NRRD or MetaImage")
    volume.notes += settle(check_mask(volume, window, labels), doubtful)
    return mask


def _mask_of_dicom(file: Path, volume: Volume, roi_names: dict[str, list[str]], tumour_in_lung: bool) -> np.ndarray:
    dataset = _read_dicom(file)
    _check_patient(dataset, volume)
    sop_class = str(dataset.get("SOPClassUID") or "")
    if sop_class == RTSTRUCT:
        regions = _regions_of_rtstruct(dataset, volume, roi_names)
    elif sop_class in SEGMENTATIONS:
        regions = _regions_of_segmentation(dataset, volume, roi_names)
    else:
        raise BadCase("the mask is neither RTSTRUCT nor SEG nor NIfTI")
    tumour = regions.pop("tumour")
    lung = np.logical_or.reduce(list(regions.values()))
    for region, mask in regions.items():
        name = f"{region} lung" if region in ("left", "right") else "lung"
        if not mask.any():
            raise BadCase(f"the {name}'s contours contain no pixel of the image")
        check_gaps(mask, name)
    if tumour_in_lung and "without_tumour" in regions and not tumour.any():
        volume.notes.append("the lungs were contoured without the tumour, and no tumour is contoured")
    mask = lung | tumour if tumour_in_lung else lung & ~tumour
    if not mask.any():
        raise BadCase("the lung's contours contain nothing but tumour")
    return mask.astype(np.uint8)


def _check_patient(dataset: pydicom.Dataset, volume: Volume) -> None:
    """Raise BadCase if mask and image name two patients. Spellings of one id count as one."""
    try:
        patient = str(dataset.get("PatientID") or "")
    except Exception:  # a damaged element fails in any of pydicom's many ways
        return
    if is_missing(patient) or is_missing(volume.patient):
        return
    if normalised(patient) != normalised(volume.patient):
        raise BadCase("the mask is of another patient: its PatientID (0010,0020) is not that of the image")


def _mask_file(path: Path) -> Path:
    """Find the mask: the file itself, the only file of a folder, else its only RTSTRUCT, else its only SEG."""
    if path.is_file():
        return path
    files = [file for file in files_below(path, path) if not file.name.startswith(".")]
    if len(files) == 1:
        return files[0]
    sop_classes = [(file, _sop_class_of(file)) for file in files]
    for wanted, name in (((RTSTRUCT,), "RTSTRUCT"), (SEGMENTATIONS, "SEG")):
        masks = [file for file, sop_class in sop_classes if sop_class in wanted]
        if len(masks) > 1:
            raise BadCase(f"the mask's folder holds {len(masks)} {name} files; name the one to use")
        if masks:
            return masks[0]
    raise BadCase(f"the mask's folder holds {len(files)} files, and none is RTSTRUCT or SEG")


def _kind_of(file: Path) -> str:
    """Name the kind of a mask. A DICOM file may lack its preamble."""
    try:
        with unpacked(file) as stream:
            head = stream.read(HEAD)
    except Exception as error:  # gzip fails in many ways
        raise BadCase("the mask is truncated or damaged") from error
    return kind_of(head) or (DICOM if _sop_class_of(file) else "")


def _sop_class_of(path: Path) -> str:
    """Read the SOPClassUID of a DICOM file, with or without preamble; "" for any other file."""
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"], force=True)
        return str(dataset.get("SOPClassUID") or "")
    except Exception:  # a damaged header fails in any of pydicom's many ways
        return ""


def _read_dicom(path: Path) -> pydicom.Dataset:
    content = path.read_bytes()
    check_inflated_size(path, content[:HEAD])
    try:
        dataset = pydicom.dcmread(io.BytesIO(content), force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:  # a file without preamble
            implicit = dataset.original_encoding[0]
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        for keyword in ("SOPClassUID", "FrameOfReferenceUID"):
            dataset.get(keyword)  # pydicom converts an element when it is asked for, and fails then
        return decompressed(dataset)
    except BadCase:
        raise
    except Exception as error:  # a damaged file fails in any of pydicom's many ways
        raise BadCase("the mask is no readable DICOM") from error


def _regions_of_rtstruct(dataset: pydicom.Dataset, volume: Volume, roi_names: dict[str, list[str]]) -> Regions:
    """Fill the contours of lung and tumour. Two regions of one name are united."""
    regions = read_regions(dataset, volume.frame_of_reference)
    chosen = choose_regions([region.name for region in regions], roi_names)
    shape = volume.voxels.shape
    contours = {part: [regions[position].contours() for position in positions] for part, positions in chosen.items()}
    other = _is_of_other_series(dataset, volume)
    drawn = [contour for part in contours.values() for region in part for contour in region]
    beside = off_slices(drawn, volume.affine)
    if other and beside > ON_A_SLICE:
        raise BadCase(
            "the contours were drawn on another series than the one that was read, and lie between its slices: name the"
            " folder of the series that was contoured"
        )
    volume.notes += _notes_of_regions(chosen, "contour", other)
    if beside > ON_A_SLICE:
        volume.notes.append(f"the contours lie up to {beside:.2g} of a slice beside the slices; the nearest were taken")
    return {
        part: np.logical_or.reduce(
            [rasterise(region, shape, volume.affine) for region in regions_of_part] or [np.zeros(shape, bool)]
        )
        for part, regions_of_part in contours.items()
    }


def _is_of_other_series(dataset: pydicom.Dataset, volume: Volume) -> bool:
    """Tell whether a mask says that it was drawn on other series than that of the image; False where it is silent."""
    try:
        series = list(dataset.get("ReferencedSeriesSequence") or [])  # of a SEG
        for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []:  # of an RTSTRUCT
            for study in frame.get("RTReferencedStudySequence") or []:
                series += study.get("RTReferencedSeriesSequence") or []
        named = {str(item.get("SeriesInstanceUID") or "") for item in series} - {""}
    except Exception:  # a damaged element fails in any of pydicom's many ways
        return False
    return bool(named and volume.series and volume.series not in named)


def _notes_of_regions(chosen: dict[str, list[int]], what: str, other_series: bool) -> list[str]:
    """Write notes about several regions of one lung, and about a mask of another series that fits the image."""
    notes = [
        f"{len(positions)} regions are the {part} lung{'s' * (part == 'both')}: they were united"
        for part, positions in chosen.items()
        if part != "tumour" and len(positions) > 1
    ]
    if other_series:
        notes.append(f"the {what}s name another series than the one that was read; they fit its slices")
    return notes


def _regions_of_segmentation(dataset: pydicom.Dataset, volume: Volume, roi_names: dict[str, list[str]]) -> Regions:
    """Lay the segments of lung and tumour on the image's grid."""
    frame = str(dataset.get("FrameOfReferenceUID") or "")
    if volume.frame_of_reference and frame and frame != volume.frame_of_reference:
        raise BadCase("the segmentation lies in another FrameOfReferenceUID (0020,0052) than the image")
    try:
        segmentation = highdicom.seg.Segmentation.from_dataset(dataset, copy=False)
        numbers = list(segmentation.segment_numbers)
        names = [segmentation.get_segment_description(number).segment_label for number in numbers]
    except Exception as error:  # highdicom raises many types on a damaged file
        raise BadCase("the segmentation is damaged, or of a kind that is not known") from error
    chosen = choose_regions(names, roi_names)
    volume.notes += _notes_of_regions(chosen, "segment", _is_of_other_series(dataset, volume))
    grid = highdicom.VolumeGeometry(
        affine=LPS_TO_RAS @ volume.affine, spatial_shape=volume.voxels.shape, coordinate_system="PATIENT"
    )

    def mask_of(positions: list[int]) -> np.ndarray:
        if not positions:
            return np.zeros(volume.voxels.shape, bool)
        try:
            block = segmentation.get_volume(segment_numbers=[numbers[position] for position in positions])
        except Exception as error:  # highdicom raises many types on frames that form no volume
            raise BadCase("the frames of the segmentation are damaged, or form no volume") from error
        try:
            # Fractions come as shares of the greatest.
            return np.asarray((block.match_geometry(grid).array >= HALF).any(axis=-1))
        except RuntimeError as error:
            raise BadCase("the segmentation does not lie on the image's grid") from error

    return {part: mask_of(positions) for part, positions in chosen.items()}


def _lung_labels(path: Path, volume: Volume) -> np.ndarray:
    """Read the lung mask as `label_volume` does; raise BadCase for an empty mask too."""
    try:
        grid = load_volume(path)
    except BadCase as error:
        raise BadCase(f"the mask is unusable because {error}") from error
    labels = _labels_of(grid, volume)
    if not labels.any():
        raise BadCase("the mask is empty")
    return labels


def label_volume(path: Path, volume: Volume) -> np.ndarray:
    """Read a label volume in a file of its own: NIfTI, NRRD or MetaImage.

    Returns
    -------
    array of the shape of `volume.voxels`
        Labels, whole numbers from 0.

    Raises
    ------
    BadCase
        If its grid is not the image's, or a value is no label.
    """
    return _labels_of(load_volume(path), volume)


def _labels_of(grid: Grid, volume: Volume) -> np.ndarray:
    """Check that a volume holds labels on the grid of the image; hand its notes to the image."""
    labels = grid.values
    if labels.shape != volume.voxels.shape or not same_grid(grid.affine, volume.affine):
        raise BadCase(
            "the mask does not lie on the image's grid (shape or affine differ; a cropped mask needs the whole grid)"
        )
    if (labels < 0).any() or (labels != np.rint(labels)).any():
        raise BadCase("the mask holds values that are no labels (negative or broken numbers)")
    volume.notes += [f"mask: {note}" for note in grid.notes]
    return labels
