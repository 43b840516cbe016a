"""Convert a DICOM series folder or a single file to a windowed volume."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import highdicom
import numpy as np

from lungsight.errors import BadCase
from lungsight.intake.acquisition import kernel_class
from lungsight.intake.decode import stored_values
from lungsight.intake.geometry import LPS_TO_RAS, is_axial, to_canonical, voxel_spacing
from lungsight.intake.headers import SliceHeader, read_headers
from lungsight.intake.hounsfield import check_range, jumps, percentiles, sampled, to_hounsfield
from lungsight.intake.series import (
    ANY_SERIES,
    PlacedSlice,
    SeriesRule,
    Stack,
    check_pixels_described,
    check_spacing,
    choose_series,
    place_slice,
    same_place,
    sort_by_position,
    stack_slices,
)
from lungsight.intake.volume import AcquisitionMetadata, Volume, Window


def read_dicom(
    path: Path, root: Path, window: Window, min_slices: int, burned_in: bool = False, rule: SeriesRule = ANY_SERIES
) -> Volume:
    """Convert the series in a folder, or one file, to a canonical volume.

    Parameters
    ----------
    path : Path
    root : Path
        Links may not lead out of it.
    window : Window
    min_slices : int
        Series with fewer slices are refused.
    burned_in : bool
        Accept slices whose BurnedInAnnotation is YES.
    rule : SeriesRule
        How to choose among several series.

    Raises
    ------
    BadCase
        With a reason that names file ordinals and tags only.
    """
    slices, others = read_headers(path, root)
    if not slices:
        raise BadCase("; ".join(["no CT slice", *_in_words(others)]))
    chosen, notes = choose_series(slices, rule)
    notes += _in_words(others)
    if not burned_in and any(header.burned_in for header in chosen):
        raise BadCase("BurnedInAnnotation (0028,0301) is YES")
    if chosen[0].enhanced or chosen[0].frames > 1:
        return _read_multiframe(chosen[0], window, min_slices, notes)
    placed = []
    for header in chosen:
        check_pixels_described(header)
        placed.append(place_slice(header))
    kept, dropped = drop_duplicates(placed)
    if dropped:
        notes.append(f"left out {dropped} × identical duplicate slice")
    check_number(len(kept), min_slices)
    return _convert(stack_slices(kept), window, notes)


def _in_words(others: Counter[str]) -> list[str]:
    return [f"left out {count} × {description}" for description, count in sorted(others.items())]


def check_number(slices: int, min_slices: int) -> None:
    """Raise BadCase for fewer slices than `min_slices`."""
    if slices < min_slices:
        raise BadCase(f"{slices} slices, min_slices is {min_slices}")


def drop_duplicates(slices: Sequence[PlacedSlice]) -> tuple[list[PlacedSlice], int]:
    """Drop slices that repeat the place and the pixels of another.

    UIDs do not count: in some series all files share one.

    Returns
    -------
    kept : list of PlacedSlice
        Sorted by position.
    dropped : int
        How many slices were dropped.

    Raises
    ------
    BadCase
        If two slices have one place and different pixels.
    """
    ordered, along = sort_by_position(slices)
    kept: list[PlacedSlice] = []
    for header, repeated in zip(ordered, same_place(along), strict=True):
        if not repeated:
            kept.append(header)
        elif not np.array_equal(_hounsfield(kept[-1]), _hounsfield(header)):
            raise BadCase(f"files {kept[-1].ordinal} and {header.ordinal} have one position and different pixels")
    return kept, len(ordered) - len(kept)


def _hounsfield(header: PlacedSlice) -> np.ndarray:
    return to_hounsfield(stored_values(header), header.slope, header.intercept, f"(file {header.ordinal})")


def _convert(stack: Stack, window: Window, notes: list[str]) -> Volume:
    first = stack.slices[0]
    planes = np.empty((len(stack.slices), first.rows, first.columns), np.uint16)
    samples = []
    for index, header in enumerate(stack.slices):
        hounsfield = _hounsfield(header)
        samples.append(sampled(hounsfield))
        planes[index] = window.encode(hounsfield)
    notes += [f"HU jump between slices {k} and {k + 1}" for k in jumps(samples)]
    acquisition = _acquisition(first, (*first.spacing, stack.spacing_slice), samples)
    voxels, affine = to_canonical(planes.T, stack.affine)
    return Volume(voxels, window.max_code, affine, acquisition, first.frame_of_reference, first.series, notes)


def _acquisition(
    header: SliceHeader, spacing: Sequence[float] | np.ndarray, samples: Sequence[np.ndarray]
) -> AcquisitionMetadata:
    """Collect how a series was acquired.

    Parameters
    ----------
    header : SliceHeader
        Of its first slice.
    spacing : (3,)
        mm between rows, columns and slices.
    samples : sequence of arrays
        Sampled HU of every slice.
    """
    p01, p50, p99 = percentiles(samples)
    return AcquisitionMetadata(
        rows=header.rows,
        columns=header.columns,
        spacing_row=float(spacing[0]),
        spacing_column=float(spacing[1]),
        spacing_slice=float(spacing[2]),
        slice_thickness=header.thickness,
        kvp=header.kvp,
        contrast=int(header.contrast),
        hu_p01=p01,
        hu_p50=p50,
        hu_p99=p99,
        kernel=kernel_class(header.kernel),
        manufacturer=header.manufacturer,
        transfer_syntax=header.syntax,
        lossy=int(header.lossy),
    )


def _read_multiframe(header: SliceHeader, window: Window, min_slices: int, notes: list[str]) -> Volume:
    """Convert an Enhanced CT file with highdicom, which sorts the frames and refuses those that form no even stack."""
    if not header.enhanced:
        raise BadCase("a multi-frame file that is no Enhanced CT")
    check_number(header.frames, min_slices)
    check_pixels_described(header)
    try:
        image = highdicom.imread(header.path)
        volume = image.get_volume(apply_real_world_transform=False, apply_modality_transform=True, dtype=np.float32)
    except Exception as error:  # highdicom raises many types on frames that form no volume
        raise BadCase(f"the frames of an Enhanced CT form no volume ({type(error).__name__})") from error
    affine = LPS_TO_RAS @ volume.affine[:, [2, 1, 0, 3]]
    if not is_axial(affine):
        raise BadCase("no axial CT slice")
    spacing = voxel_spacing(affine)
    check_spacing(spacing)
    check_range(volume.array)
    samples = [sampled(plane) for plane in volume.array]
    acquisition = _acquisition(header, spacing[[1, 0, 2]], samples)
    voxels, affine = to_canonical(np.stack([window.encode(plane) for plane in volume.array]).T, affine)
    return Volume(voxels, window.max_code, affine, acquisition, header.frame_of_reference, header.series, notes)
