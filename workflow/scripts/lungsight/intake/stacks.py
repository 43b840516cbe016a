"""Stack the slices of one series, if their geometry allows it.

Tolerances are 1 % of the slice spacing and 1e-3 on unit vectors.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lungsight.errors import BadCase
from lungsight.intake.geometry import (
    MAX_SLICE_SPACING,
    MAX_SPACING,
    MIN_SPACING,
    SPACING_TOLERANCE,
    affine_of_planes,
    slice_normal,
)
from lungsight.intake.headers import MAX_PIXELS, NEEDED, SliceHeader, tag_of
from lungsight.intake.passes import check_one_pass

VECTOR_TOLERANCE = 1e-3


@dataclass(frozen=True)
class PlacedSlice(SliceHeader):
    """A slice whose header gives its place and its rescale; see `place_slice`."""

    position: np.ndarray
    orientation: np.ndarray
    spacing: tuple[float, float]
    slope: float
    intercept: float


@dataclass(frozen=True)
class Stack:
    """Slices that form an even stack.

    Attributes
    ----------
    slices : list of PlacedSlice
        In the order of their normal.
    affine : (4, 4) array
        From the index [column, row, slice] to mm in RAS.
    spacing_slice : float
        mm between slices.
    """

    slices: list[PlacedSlice]
    affine: np.ndarray
    spacing_slice: float


def place_slice(header: SliceHeader) -> PlacedSlice:
    """Check that a header has what HU and place need.

    Raises
    ------
    BadCase
        With the tag and the file, if a value is missing or impossible.
    """
    for attribute, keyword in NEEDED.items():
        if getattr(header, attribute) is None:
            raise BadCase(f"{keyword} {tag_of(keyword)} {header.faults.get(keyword, 'is missing')} {header.where}")
    placed = PlacedSlice(**vars(header))
    where = placed.where
    if placed.slope == 0:
        raise BadCase(f"RescaleSlope {tag_of('RescaleSlope')} is 0 {where}")
    check_spacing(placed.spacing, where)
    row, column = placed.orientation[:3], placed.orientation[3:]
    lengths = np.linalg.norm([row, column], axis=1)
    if np.abs(lengths - 1).max() > VECTOR_TOLERANCE or abs(row @ column) > VECTOR_TOLERANCE:
        raise BadCase(
            f"ImageOrientationPatient {tag_of('ImageOrientationPatient')} is no pair of perpendicular unit vectors"
            f" {where}"
        )
    return placed


def check_spacing(spacing: Iterable[float], where: str = "") -> None:
    """Raise BadCase unless distances between voxels, in mm, are possible for a CT."""
    spacing = list(spacing)
    if min(spacing) <= 0:
        raise BadCase(f"PixelSpacing {tag_of('PixelSpacing')} is not positive {where}".rstrip())
    if min(spacing) < MIN_SPACING or max(spacing) > MAX_SPACING:
        raise BadCase(f"PixelSpacing {tag_of('PixelSpacing')} is that of no CT {where}".rstrip())


def check_slice_spacing(spacing: float) -> None:
    """Raise BadCase unless a distance between slices, in mm, is possible for a CT."""
    if not MIN_SPACING <= spacing <= MAX_SLICE_SPACING:
        raise BadCase(
            f"the slices lie {spacing:.4g} mm apart, as in no CT: ImagePositionPatient {tag_of('ImagePositionPatient')}"
            " is not in mm"
        )


def check_pixels_described(header: SliceHeader) -> None:
    """Raise BadCase unless the header describes one grey slice of a possible size that the file can hold."""
    where = header.where
    if header.rows < 1 or header.columns < 1:
        raise BadCase(f"Rows {tag_of('Rows')} or Columns {tag_of('Columns')} is missing {where}")
    if header.rows * header.columns > MAX_PIXELS:
        raise BadCase(f"Rows × Columns says {header.rows} × {header.columns}, more than any CT slice {where}")
    if header.samples != 1 or header.photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise BadCase(f"PhotometricInterpretation {tag_of('PhotometricInterpretation')} is not grey {where}")
    if header.uncompressed_bytes is not None and header.path.stat().st_size < header.uncompressed_bytes:
        raise BadCase(f"the file is shorter than its Rows × Columns: truncated {where}")


def sort_by_position(slices: Sequence[PlacedSlice]) -> tuple[list[PlacedSlice], np.ndarray]:
    """Sort slices by ImagePositionPatient projected on their normal.

    Returns
    -------
    slices : list of PlacedSlice
    along : (n,) array
        Their positions on the normal in mm, ascending.
    """
    normal = slice_normal(slices[0].orientation)
    along = np.array([header.position @ normal for header in slices])
    order = np.argsort(along, kind="stable")
    return [slices[index] for index in order], along[order]


def same_place(along: np.ndarray) -> np.ndarray:
    """Mark the sorted positions (n,) that repeat the one before; bool (n,), the first is False."""
    steps = np.diff(along)
    apart = steps[steps > 1e-3]
    repeated = steps <= (SPACING_TOLERANCE * np.median(apart) if apart.size else 1e-3)
    return np.concatenate([[False], repeated])


def stack_slices(slices: Sequence[PlacedSlice]) -> Stack:
    """Sort slices and check that they form a straight, even stack. No two may share a place.

    Raises
    ------
    BadCase
        For a missing slice, uneven spacing, gantry tilt, interleaved acquisitions or changing pixel spacing.
    """
    ordered, along = sort_by_position(slices)
    first = ordered[0]
    for header in ordered:
        if not np.allclose(header.spacing, first.spacing, rtol=SPACING_TOLERANCE, atol=0):
            raise BadCase(f"PixelSpacing {tag_of('PixelSpacing')} changes within the series (file {header.ordinal})")
    if len(ordered) == 1:
        spacing = first.thickness or 1.0
        step = slice_normal(first.orientation) * spacing
        return Stack(ordered, affine_of_planes(first.orientation, first.position, step, first.spacing), spacing)
    check_one_pass(ordered)
    steps = np.diff(along)
    usual = float(np.median(steps))
    check_slice_spacing(usual)
    off = np.abs(steps - usual) > SPACING_TOLERANCE * usual
    if off.any():
        worst = int(np.argmax(np.abs(steps - usual)))
        missing = steps[worst] > 1.5 * usual and off.sum() <= max(1, len(steps) // 4)
        raise BadCase(
            f"{'a slice is missing' if missing else 'the slice spacing is uneven'}: {steps[worst]:.4g} mm between"
            f" slices {worst + 1} and {worst + 2}, {usual:.4g} mm elsewhere"
        )
    _check_straight(ordered, along, usual)
    step = (ordered[-1].position - first.position) / (len(ordered) - 1)
    spacing = float(along[-1] - along[0]) / (len(ordered) - 1)
    return Stack(ordered, affine_of_planes(first.orientation, first.position, step, first.spacing), spacing)


def _check_straight(ordered: list[PlacedSlice], along: np.ndarray, spacing: float) -> None:
    """Raise BadCase if slices are shifted in their plane against the first, by a tilted gantry or a moved table."""
    normal = slice_normal(ordered[0].orientation)
    offsets = np.array([header.position - ordered[0].position for header in ordered])
    sideways = np.linalg.norm(offsets - np.outer(offsets @ normal, normal), axis=1)
    if (sideways > SPACING_TOLERANCE * spacing + VECTOR_TOLERANCE * (along - along[0])).any():
        raise BadCase("the slices are shifted against each other: tilted gantry")
