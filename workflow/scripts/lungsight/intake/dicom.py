"""Convert a DICOM series folder or a single file to a windowed volume."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lungsight.errors import BadCase
from lungsight.intake.acquisition import kernel_class
from lungsight.intake.decode import Stored, stored_values
from lungsight.intake.enhanced import placed_frames
from lungsight.intake.geometry import to_canonical
from lungsight.intake.headers import LeftOut, SliceHeader, tag_of
from lungsight.intake.hounsfield import jumps, lay_padding, percentiles, sampled, to_hounsfield
from lungsight.intake.passes import check_no_seam
from lungsight.intake.patients import check_one_patient, check_one_series
from lungsight.intake.plausibility import doubts_about_hounsfield
from lungsight.intake.series import ANY_SERIES, SeriesRule, check_nothing_missing, choose_series, is_axial_slice
from lungsight.intake.slice_files import read_headers
from lungsight.intake.stacks import (
    PlacedSlice,
    Stack,
    check_pixels_described,
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
    stack, notes = read_stack(path, root, min_slices, burned_in, rule)
    return _convert(stack, window, notes)


def read_stack(
    path: Path, root: Path, min_slices: int, burned_in: bool = False, rule: SeriesRule = ANY_SERIES
) -> tuple[Stack, list[str]]:
    """Find the slices of the series in a folder, or of one file, and check that they form a volume.

    Parameters as of `read_dicom`.

    Returns
    -------
    stack : Stack
    notes : list of str
        What was left out or looks odd.

    Raises
    ------
    BadCase
        With a reason that names file ordinals and tags only.
    """
    slices, others = read_headers(path, root)
    if not slices:
        raise BadCase("; ".join(["no CT slice", *_in_words(others)]))
    check_one_patient(slices)
    chosen, notes = choose_series(slices, rule)
    check_one_series(slices, chosen[0])
    check_nothing_missing(chosen, others)
    notes += _in_words(others)
    if not burned_in and any(header.burned_in for header in chosen):
        raise BadCase("BurnedInAnnotation (0028,0301) is YES")
    if chosen[0].enhanced or chosen[0].frames > 1:
        check_number(sum(header.frames for header in chosen), min_slices)
        placed = placed_frames(chosen)
        if not is_axial_slice(placed[0]):
            raise BadCase("no axial CT slice")
    else:
        for header in chosen:
            check_pixels_described(header)
        placed = [place_slice(header) for header in chosen]
    if any(header.modified_hu for header in placed):
        notes.append("RescaleType is HU_MOD: modified HU, as in virtual images of dual-energy CT")
    kept, dropped = drop_duplicates(placed)
    if dropped:
        notes.append(f"left out {dropped} × identical duplicate slice")
    _check_one_uid(slices, len(kept), min_slices)
    check_number(len(kept), min_slices)
    return stack_slices(kept), notes


def _in_words(others: Sequence[LeftOut]) -> list[str]:
    return [f"left out {count} × {kind}" for kind, count in sorted(Counter(other.kind for other in others).items())]


def _check_one_uid(slices: Sequence[SliceHeader], kept: int, min_slices: int) -> None:
    """Raise BadCase where too few slices are left since each of many names another series."""
    if kept < min_slices <= len(slices) and len({header.series for header in slices}) == len(slices):
        raise BadCase(
            f"every slice names a SeriesInstanceUID {tag_of('SeriesInstanceUID')} of its own: the {len(slices)} slices"
            " belong to no common series"
        )


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
            raise BadCase(f"{_named(kept[-1], header)} have one position and different pixels")
    return kept, len(ordered) - len(kept)


def _named(first: PlacedSlice, second: PlacedSlice) -> str:
    if first.frame and first.ordinal == second.ordinal:
        return f"frames {first.frame} and {second.frame} of file {first.ordinal}"
    return f"files {first.ordinal} and {second.ordinal}"


def _hounsfield(header: PlacedSlice) -> np.ndarray:
    return _rescaled(header, stored_values(header))


def _rescaled(header: PlacedSlice, stored: Stored) -> np.ndarray:
    hounsfield = to_hounsfield(stored.values, header.slope, header.intercept, header.where)
    if stored.padding:
        lay_padding(hounsfield, stored.values, stored.padding)
    return hounsfield


def _check_bits(slices: Sequence[PlacedSlice], bits: Sequence[int | None]) -> None:
    """Raise BadCase if a slice's stream says another number of bits than the others: its values are another scale."""
    usual = Counter(bits).most_common(1)[0][0]
    for header, found in zip(slices, bits, strict=True):
        if found is not None and usual is not None and found != usual:
            raise BadCase(
                f"the compressed pixels say {found} bits of a pixel {header.where}, those of the other slices {usual}:"
                " damaged"
            )


def _convert(stack: Stack, window: Window, notes: list[str]) -> Volume:
    first = stack.slices[0]
    planes = np.empty((len(stack.slices), first.rows, first.columns), np.uint16)
    samples, bits = [], []
    for index, header in enumerate(stack.slices):
        stored = stored_values(header)
        bits.append(stored.bits)
        hounsfield = _rescaled(header, stored)
        samples.append(sampled(hounsfield))
        planes[index] = window.encode(hounsfield)
    _check_bits(stack.slices, bits)
    check_no_seam(stack.slices, samples)
    if places := jumps(samples):
        more = f" (and at {len(places) - 1} other places)" if len(places) > 1 else ""
        notes.append(f"HU jump between slices {places[0]} and {places[0] + 1}{more}")
    acquisition = _acquisition(first, (*first.spacing, stack.spacing_slice), samples)
    voxels, affine = to_canonical(planes.T, stack.affine)
    doubts = doubts_about_hounsfield(samples)
    patient = next((header.patient.identifier for header in stack.slices if header.patient.identifier), "")
    return Volume(
        *(voxels, window.max_code, affine, acquisition),
        *(first.frame_of_reference, first.series, notes, doubts, patient),
    )


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
