"""A DICOM series folder or single file → a windowed volume."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import highdicom
import numpy as np

from lungsight.errors import BadCase
from lungsight.intake.acquisition import kernel_class
from lungsight.intake.decode import stored_values
from lungsight.intake.geometry import LPS_TO_RAS, is_axial, to_canonical, voxel_spacing
from lungsight.intake.headers import SliceHeader, scan
from lungsight.intake.hounsfield import check_range, jumps, percentiles, sampled, to_hounsfield
from lungsight.intake.series import (
    ANY_SERIES,
    SeriesRule,
    Stack,
    check_header,
    check_pixels_described,
    check_spacing,
    choose_series,
    same_place,
    sort_by_position,
    stack_slices,
)
from lungsight.intake.volume import AcquisitionMetadata, Volume, Window


def read_dicom(
    path: Path, root: Path, window: Window, min_slices: int, burned_in: bool = False, rule: SeriesRule = ANY_SERIES
) -> Volume:
    """Convert the series in a folder, or one file, to a canonical volume.

    root: links may not lead out of it. min_slices: fewer are refused. burned_in: take slices with BurnedInAnnotation.
    rule: which of several series.
    Raises BadCase with a reason that names file ordinals and tags only.
    """
    slices, others = scan(path, root)
    if not slices:
        raise BadCase("; ".join(["no CT slice", *_in_words(others)]))
    chosen, notes = choose_series(slices, rule)
    notes += _in_words(others)
    if not burned_in and any(header.burned_in for header in chosen):
        raise BadCase("BurnedInAnnotation (0028,0301) is YES")
    if chosen[0].enhanced or chosen[0].frames > 1:
        return _read_multiframe(chosen[0], window, min_slices, notes)
    for header in chosen:
        check_pixels_described(header)
        check_header(header)
    kept, dropped = drop_duplicates(chosen)
    if dropped:
        notes.append(f"left out {dropped} × identical duplicate slice")
    check_number(len(kept), min_slices)
    return _convert(stack_slices(kept), window, notes)


def _in_words(others: Counter[str]) -> list[str]:
    return [f"left out {count} × {what}" for what, count in sorted(others.items())]


def check_number(slices: int, min_slices: int) -> None:
    """Raise BadCase for fewer slices than `min_slices`."""
    if slices < min_slices:
        raise BadCase(f"{slices} slices, min_slices is {min_slices}")


def drop_duplicates(slices: Sequence[SliceHeader]) -> tuple[list[SliceHeader], int]:
    """Drop slices that repeat the place and the pixels of another; returns the rest and how many went.

    UIDs have no say: there are series in which all files share one. Raises BadCase for one place with two images.
    """
    ordered, along = sort_by_position(slices)
    kept: list[SliceHeader] = []
    for header, repeated in zip(ordered, same_place(along), strict=True):
        if not repeated:
            kept.append(header)
        elif not np.array_equal(_hounsfield(kept[-1]), _hounsfield(header)):
            raise BadCase(f"files {kept[-1].ordinal} and {header.ordinal} have one position and different pixels")
    return kept, len(ordered) - len(kept)


def _hounsfield(header: SliceHeader) -> np.ndarray:
    return to_hounsfield(stored_values(header), header.slope, header.intercept, f"(file {header.ordinal})")


def _convert(stack: Stack, window: Window, notes: list[str]) -> Volume:
    first = stack.slices[0]
    planes = np.empty((len(stack.slices), first.rows, first.columns), np.uint16)
    samples = []
    for index, header in enumerate(stack.slices):
        hounsfield = _hounsfield(header)
        samples.append(sampled(hounsfield))
        planes[index] = window.codes(hounsfield)
    notes += [f"HU jump between slices {k} and {k + 1}" for k in jumps(samples)]
    facts = _facts(first, (*first.spacing, stack.spacing_slice), samples)
    codes, affine = to_canonical(planes.T, stack.affine)
    return Volume(codes, window.full, affine, facts, first.frame_of_reference, notes)


def _facts(header: SliceHeader, spacing: Sequence[float], samples: Sequence[np.ndarray]) -> AcquisitionMetadata:
    """spacing: mm between rows, columns and slices; samples: sampled HU of every slice."""
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
    """An Enhanced CT file through highdicom, which sorts the frames and refuses those that form no even stack."""
    if not header.enhanced:
        raise BadCase("a multi-frame file that is no Enhanced CT")
    check_number(header.frames, min_slices)
    check_pixels_described(header)
    try:
        image = highdicom.imread(header.path)
        volume = image.get_volume(apply_real_world_transform=False, apply_modality_transform=True, dtype=np.float32)
    except Exception as error:  # highdicom raises many kinds on frames that form no volume
        raise BadCase(f"the frames of an Enhanced CT form no volume ({type(error).__name__})") from error
    affine = LPS_TO_RAS @ volume.affine[:, [2, 1, 0, 3]]
    if not is_axial(affine):
        raise BadCase("no axial CT slice")
    spacing = voxel_spacing(affine)
    check_spacing(spacing)
    check_range(volume.array)
    samples = [sampled(plane) for plane in volume.array]
    facts = _facts(header, spacing[[1, 0, 2]], samples)
    codes, affine = to_canonical(np.stack([window.codes(plane) for plane in volume.array]).T, affine)
    return Volume(codes, window.full, affine, facts, header.frame_of_reference, notes)
