"""The lung mask that a user gives with a case: RTSTRUCT, DICOM SEG or NIfTI, on the grid of the image."""

import io
from pathlib import Path

import highdicom
import numpy as np
import pydicom

from lungsight.errors import BadCase
from lungsight.intake.contours import choose_regions, rasterise, read_contours
from lungsight.intake.geometry import LPS_TO_RAS, same_grid
from lungsight.intake.headers import files_below
from lungsight.intake.nifti import load_nifti
from lungsight.intake.volume import Volume

RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


def read_mask(path: Path, volume: Volume, roi_names: dict[str, list[str]], tumour_in_lung: bool) -> np.ndarray:
    """The lung mask of a case as uint8 0/1, shape of `volume.codes`.

    path: a NIfTI (labels above 0 are lung), an RTSTRUCT or SEG file, or a folder that holds one of these two, among
    other files if need be.
    roi_names: regular expressions for left, right, both, tumour. Raises BadCase for a mask that does not fit the image,
    has no lung in it, or cannot be read.
    """
    if path.name.endswith((".nii", ".nii.gz")):
        return mask_of_nifti(path, volume)
    dataset = _read_dicom(_the_file(path))
    kind = str(dataset.get("SOPClassUID") or "")
    if kind == RTSTRUCT:
        regions = _regions_of_rtstruct(dataset, volume, roi_names)
    elif kind == SEGMENTATION:
        regions = _regions_of_segmentation(dataset, volume, roi_names)
    else:
        raise BadCase("the mask is neither RTSTRUCT nor SEG nor NIfTI")
    lung, tumour = regions
    mask = lung | tumour if tumour_in_lung else lung & ~tumour
    if not mask.any():
        raise BadCase("the lung's contours contain no pixel of the image")
    return mask.astype(np.uint8)


def _the_file(path: Path) -> Path:
    """The file itself, or the only file of a folder, else its only RTSTRUCT, else its only SEG, told by the header."""
    if path.is_file():
        return path
    files = [file for file in files_below(path, path) if not file.name.startswith(".")]
    if len(files) == 1:
        return files[0]
    kinds = [(file, _kind_of(file)) for file in files]
    for kind, name in ((RTSTRUCT, "RTSTRUCT"), (SEGMENTATION, "SEG")):
        found = [file for file, its_kind in kinds if its_kind == kind]
        if len(found) > 1:
            raise BadCase(f"the mask's folder holds {len(found)} {name} files; name the one to use")
        if found:
            return found[0]
    raise BadCase(f"the mask's folder holds {len(files)} files, and none is RTSTRUCT or SEG")


def _kind_of(path: Path) -> str:
    """SOPClassUID of a DICOM file, "" for any other."""
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    except Exception:  # a damaged header fails in any of pydicom's many ways
        return ""
    return str(dataset.get("SOPClassUID") or "")


def _read_dicom(path: Path) -> pydicom.Dataset:
    try:
        return pydicom.dcmread(io.BytesIO(path.read_bytes()))
    except Exception as error:  # a damaged file fails in any of pydicom's many ways
        raise BadCase("the mask is no readable DICOM") from error


def _regions_of_rtstruct(
    dataset: pydicom.Dataset, volume: Volume, roi_names: dict[str, list[str]]
) -> tuple[np.ndarray, np.ndarray]:
    contours = read_contours(dataset, volume.frame_of_reference)
    names = list(contours)
    chosen = choose_regions(names, roi_names)
    shape = volume.codes.shape
    lung, tumour = np.zeros(shape, bool), np.zeros(shape, bool)
    for mask, positions in ((lung, chosen["lung"]), (tumour, chosen["tumour"])):
        for position in positions:
            mask |= rasterise(contours[names[position]], shape, volume.affine)
    return lung, tumour


def _regions_of_segmentation(
    dataset: pydicom.Dataset, volume: Volume, roi_names: dict[str, list[str]]
) -> tuple[np.ndarray, np.ndarray]:
    frame = str(dataset.get("FrameOfReferenceUID") or "")
    if volume.frame_of_reference and frame and frame != volume.frame_of_reference:
        raise BadCase("the segmentation lies in another FrameOfReferenceUID (0020,0052) than the image")
    segmentation = highdicom.seg.Segmentation.from_dataset(dataset, copy=False)
    numbers = list(segmentation.segment_numbers)
    names = [segmentation.get_segment_description(number).segment_label for number in numbers]
    chosen = choose_regions(names, roi_names)
    grid = highdicom.VolumeGeometry(
        affine=LPS_TO_RAS @ volume.affine, spatial_shape=volume.codes.shape, coordinate_system="PATIENT"
    )

    def mask_of(positions: list[int]) -> np.ndarray:
        if not positions:
            return np.zeros(volume.codes.shape, bool)
        block = segmentation.get_volume(segment_numbers=[numbers[position] for position in positions])
        try:
            return block.match_geometry(grid).array.any(axis=-1)
        except RuntimeError as error:
            raise BadCase("the segmentation does not lie on the image's grid") from error

    return mask_of(chosen["lung"]), mask_of(chosen["tumour"])


def mask_of_nifti(path: Path, volume: Volume) -> np.ndarray:
    """A NIfTI label volume as uint8 0/1, as `labelled_voxels`. Raises BadCase as that does, and for an empty mask."""
    mask = labelled_voxels(path, volume)
    if not mask.any():
        raise BadCase("the mask is empty")
    return mask


def labelled_voxels(path: Path, volume: Volume) -> np.ndarray:
    """Where a NIfTI label volume has a label above 0: uint8 0/1, shape of `volume.codes`.

    Raises BadCase if its grid is not the image's or a value is no label.
    """
    labels, affine = load_nifti(path)
    if labels.shape != volume.codes.shape or not same_grid(affine, volume.affine):
        raise BadCase("the mask does not lie on the image's grid (shape or affine differ)")
    if (labels < 0).any() or (labels != np.rint(labels)).any():
        raise BadCase("the mask holds values that are no labels (negative or broken numbers)")
    return (labels > 0).astype(np.uint8)
