"""Read the lung mask that comes with a case: RTSTRUCT, DICOM SEG or NIfTI, onto the grid of the image."""

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
    """Read the lung mask of a case.

    Parameters
    ----------
    path : Path
        A NIfTI (labels above 0 are lung), an RTSTRUCT or SEG file, or a folder that holds one RTSTRUCT or SEG, perhaps
        among other files.
    volume : Volume
        The case.
    roi_names : dict
        Regular expressions for the regions "left", "right", "both" and "tumour".
    tumour_in_lung : bool
        Whether tumour counts as lung.

    Returns
    -------
    uint8 array of the shape of `volume.voxels`
        1 is lung.

    Raises
    ------
    BadCase
        For a mask that does not fit the image, has no lung in it, or cannot be read.
    """
    if path.name.endswith((".nii", ".nii.gz")):
        return mask_of_nifti(path, volume)
    dataset = _read_dicom(_mask_file(path))
    sop_class = str(dataset.get("SOPClassUID") or "")
    if sop_class == RTSTRUCT:
        lung, tumour = _regions_of_rtstruct(dataset, volume, roi_names)
    elif sop_class == SEGMENTATION:
        lung, tumour = _regions_of_segmentation(dataset, volume, roi_names)
    else:
        raise BadCase("the mask is neither RTSTRUCT nor SEG nor NIfTI")
    mask = lung | tumour if tumour_in_lung else lung & ~tumour
    if not mask.any():
        raise BadCase("the lung's contours contain no pixel of the image")
    return mask.astype(np.uint8)


def _mask_file(path: Path) -> Path:
    """Find the mask: the file itself, the only file of a folder, else its only RTSTRUCT, else its only SEG."""
    if path.is_file():
        return path
    files = [file for file in files_below(path, path) if not file.name.startswith(".")]
    if len(files) == 1:
        return files[0]
    sop_classes = [(file, _sop_class_of(file)) for file in files]
    for wanted, name in ((RTSTRUCT, "RTSTRUCT"), (SEGMENTATION, "SEG")):
        masks = [file for file, sop_class in sop_classes if sop_class == wanted]
        if len(masks) > 1:
            raise BadCase(f"the mask's folder holds {len(masks)} {name} files; name the one to use")
        if masks:
            return masks[0]
    raise BadCase(f"the mask's folder holds {len(files)} files, and none is RTSTRUCT or SEG")


def _sop_class_of(path: Path) -> str:
    """Read the SOPClassUID of a DICOM file; "" for any other file."""
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
    """Fill the contours of lung and tumour: two bool arrays of the shape of `volume.voxels`."""
    contours = read_contours(dataset, volume.frame_of_reference)
    names = list(contours)
    chosen = choose_regions(names, roi_names)
    shape = volume.voxels.shape
    lung, tumour = np.zeros(shape, bool), np.zeros(shape, bool)
    for mask, positions in ((lung, chosen["lung"]), (tumour, chosen["tumour"])):
        for position in positions:
            mask |= rasterise(contours[names[position]], shape, volume.affine)
    return lung, tumour


def _regions_of_segmentation(
    dataset: pydicom.Dataset, volume: Volume, roi_names: dict[str, list[str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Lay the segments of lung and tumour on the image's grid: two bool arrays of the shape of `volume.voxels`."""
    frame = str(dataset.get("FrameOfReferenceUID") or "")
    if volume.frame_of_reference and frame and frame != volume.frame_of_reference:
        raise BadCase("the segmentation lies in another FrameOfReferenceUID (0020,0052) than the image")
    segmentation = highdicom.seg.Segmentation.from_dataset(dataset, copy=False)
    numbers = list(segmentation.segment_numbers)
    names = [segmentation.get_segment_description(number).segment_label for number in numbers]
    chosen = choose_regions(names, roi_names)
    grid = highdicom.VolumeGeometry(
        affine=LPS_TO_RAS @ volume.affine, spatial_shape=volume.voxels.shape, coordinate_system="PATIENT"
    )

    def mask_of(positions: list[int]) -> np.ndarray:
        if not positions:
            return np.zeros(volume.voxels.shape, bool)
        block = segmentation.get_volume(segment_numbers=[numbers[position] for position in positions])
        try:
            return np.asarray(block.match_geometry(grid).array.any(axis=-1))
        except RuntimeError as error:
            raise BadCase("the segmentation does not lie on the image's grid") from error

    return mask_of(chosen["lung"]), mask_of(chosen["tumour"])


def mask_of_nifti(path: Path, volume: Volume) -> np.ndarray:
    """Read a NIfTI label volume as `labelled_voxels` does; raise BadCase for an empty mask too."""
    mask = labelled_voxels(path, volume)
    if not mask.any():
        raise BadCase("the mask is empty")
    return mask


def labelled_voxels(path: Path, volume: Volume) -> np.ndarray:
    """Mark the voxels of a NIfTI label volume whose label is above 0.

    Returns
    -------
    uint8 array of the shape of `volume.voxels`
        1 where there is a label.

    Raises
    ------
    BadCase
        If its grid is not the image's, or a value is no label.
    """
    labels, affine = load_nifti(path)
    if labels.shape != volume.voxels.shape or not same_grid(affine, volume.affine):
        raise BadCase("the mask does not lie on the image's grid (shape or affine differ)")
    if (labels < 0).any() or (labels != np.rint(labels)).any():
        raise BadCase("the mask holds values that are no labels (negative or broken numbers)")
    return (labels > 0).astype(np.uint8)
