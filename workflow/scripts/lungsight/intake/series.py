"""Choose one series among the CT slices of a folder, and make sure that it is whole.

A series is right or it is refused: nothing is interpolated, averaged or assumed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lungsight.errors import BadCase
from lungsight.intake.acquisition import kernel_class
from lungsight.intake.geometry import affine_of_planes, is_axial, slice_normal
from lungsight.intake.headers import LeftOut, SliceHeader, tag_of
from lungsight.intake.stacks import VECTOR_TOLERANCE, place_slice, same_place, sort_by_position, stack_slices

MIN_COVER = 0.5  # of the longest series: a thin series through a part of the chest does not show the chest
MOST_DESCRIBED = 5
OFF_GRID = 0.05  # of the slice spacing; an image that lies so near a place of the stack lies there
_FEWEST_PLACES = 3  # below, there is no stack to continue


@dataclass(frozen=True)
class SeriesRule:
    """How to choose among several series: the config's `intake.series`.

    Attributes
    ----------
    contrast : {"with", "without", "any"}
    kernels : tuple of str
        Words of `acquisition.KERNELS`, the preferred one first.
    prefer : {"thinnest", "most_slices"}
    """

    contrast: str = "any"
    kernels: tuple[str, ...] = ()
    prefer: str = "thinnest"

    def rank(self, group: list[SliceHeader]) -> tuple[float, ...]:
        """Compute a sort key for a series; the best series has the lowest."""
        kernel = kernel_class(group[0].kernel)
        wanted = self.kernels.index(kernel) if kernel in self.kernels else len(self.kernels)
        thickness, slices = group[0].thickness or np.inf, -_number_of_slices(group)
        sizes = (thickness, slices) if self.prefer == "thinnest" else (slices, thickness)
        return (wanted, *sizes, group[0].ordinal)


ANY_SERIES = SeriesRule()


def _check_frame_of_reference(chosen: Sequence[SliceHeader]) -> None:
    if len({header.frame_of_reference for header in chosen} - {""}) > 1:
        raise BadCase(
            f"FrameOfReferenceUID {tag_of('FrameOfReferenceUID')} changes within the series: its positions do not"
            " belong together"
        )


def _same_orientation(first: SliceHeader, second: SliceHeader | LeftOut) -> bool:
    if first.orientation is None or second.orientation is None:
        return first.orientation is second.orientation
    return bool(np.allclose(first.orientation, second.orientation, rtol=0, atol=VECTOR_TOLERANCE))


def group_slices(slices: Sequence[SliceHeader]) -> list[list[SliceHeader]]:
    """Group slices by SeriesInstanceUID, kernel, size and orientation.

    A multi-frame file forms its own group, unless it is part of a concatenation.
    """
    groups: dict[tuple[object, ...], list[list[SliceHeader]]] = {}
    for header in slices:
        alone = (header.concatenation[0] or header.ordinal) if header.enhanced or header.frames > 1 else 0
        candidates = groups.setdefault((header.series, header.kernel, header.rows, header.columns, alone), [])
        fitting = next((group for group in candidates if _same_orientation(group[0], header)), None)
        if fitting is None:
            candidates.append([header])
        else:
            fitting.append(header)
    return [group for candidates in groups.values() for group in candidates]


def is_axial_slice(header: SliceHeader) -> bool:
    """Tell whether a slice is nearest to an axial plane. A header that is silent is no reason to leave it out."""
    orientation = header.orientation
    if orientation is None or np.linalg.norm(np.cross(orientation[:3], orientation[3:])) < VECTOR_TOLERANCE:
        return True  # the header is silent: `place_slice` refuses it later and names the tag
    return is_axial(affine_of_planes(orientation, np.zeros(3), slice_normal(orientation), (1.0, 1.0)))


def _extent(group: list[SliceHeader]) -> float:
    """Compute the mm that a group covers along its normal, as far as its headers allow."""
    first = group[0]
    if first.frames > 1:
        return first.frames * (first.thickness or 1.0)
    positions = [header.position for header in group if header.position is not None]
    if first.orientation is None or len(positions) < len(group):
        return len(group) * (first.thickness or 1.0)
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    along = np.array([position @ normal for position in positions])
    return float(np.nan_to_num(np.ptp(along))) + (first.thickness or 1.0)


def choose_series(slices: Sequence[SliceHeader], rule: SeriesRule = ANY_SERIES) -> tuple[list[SliceHeader], list[str]]:
    """Choose the series to convert.

    Candidates are the axial series with the wanted contrast that cover at least half of what the longest of them
    covers. The first of these criteria that differs decides:

    1. the kernel that `rule.kernels` names first;
    2. the thinnest slices, or the most slices (`rule.prefer`);
    3. the other one of these two;
    4. the first file.

    Returns
    -------
    chosen : list of SliceHeader
    notes : list of str
        What was left out.

    Raises
    ------
    BadCase
        If no series is axial or has the wanted contrast, or if the chosen one is a part of a series whose other slices
        are not proven to be something else.
    """
    groups = group_slices(slices)
    axial = [group for group in groups if is_axial_slice(group[0])]
    notes = []
    if resliced := sum(len(group) for group in groups) - sum(len(group) for group in axial):
        notes.append(f"left out {resliced} × not axial")
    if not axial:
        raise BadCase("no axial CT slice")
    wanted = [group for group in axial if rule.contrast == "any" or group[0].contrast == (rule.contrast == "with")]
    if not wanted:
        raise BadCase(f"no series {rule.contrast} contrast, as intake.series wants it")
    longest = max(map(_extent, wanted))
    chosen = min((group for group in wanted if _extent(group) >= MIN_COVER * longest), key=rule.rank)
    if chosen[0].frames > 1 and not chosen[0].enhanced:
        raise BadCase(f"a multi-frame file that is no Enhanced CT {chosen[0].where}")
    others = [group for group in axial if group is not chosen]
    parts = [group for group in others if group[0].series == chosen[0].series]
    for group in parts:
        _check_other_part(chosen, group)
    if _completed(chosen, [_places(group, chosen[0]) for group in parts]):
        raise BadCase(
            f"ConvolutionKernel {tag_of('ConvolutionKernel')} changes within the series, and the slices of one kernel"
            " fill the gaps between those of the other: no kernel has the whole scan"
        )
    _check_frame_of_reference(chosen)
    if others:
        described = [_described(group) for group in sorted(others, key=rule.rank)]
        more = f"; and {len(others) - MOST_DESCRIBED} more" if len(others) > MOST_DESCRIBED else ""
        notes.append(f"left out {len(others)} × other series ({'; '.join(described[:MOST_DESCRIBED])}{more})")
    return chosen, notes


def check_nothing_missing(chosen: Sequence[SliceHeader], left_out: Sequence[LeftOut]) -> None:
    """Raise BadCase if files of the chosen series that are no CT slices lie where slices of it are missing."""
    of_series = [other for other in left_out if other.series == chosen[0].series]
    kinds = sorted({other.kind for other in of_series})
    by_kind = [[other for other in of_series if other.kind == kind] for kind in kinds]
    if missing := _completed(chosen, [_places(others, chosen[0]) for others in by_kind]):
        raise BadCase(
            f"{missing} files that are left out of the series continue or fill the stack of the others (left out as"
            f" {', '.join(kinds)}): {len(chosen)} slices are not the whole scan"
        )


def _places(slices: Sequence[SliceHeader | LeftOut], first: SliceHeader) -> np.ndarray:
    """List the positions of images along the normal of a slice, in mm, of those that lie in parallel to it."""
    if first.orientation is None:
        return np.empty(0)
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    positions = [
        header.position
        for header in slices
        if header.position is not None and (header.orientation is None or _same_orientation(first, header))
    ]
    return np.array([position @ normal for position in positions])


def _completed(chosen: Sequence[SliceHeader], parts: Sequence[np.ndarray]) -> int:
    """Count the images that continue the stack of the chosen slices, or make an even stack between them; 0 if none.

    Parameters
    ----------
    chosen : sequence of SliceHeader
    parts : sequence of arrays
        Positions of other images along the normal of the chosen, in mm. A part that lies at most of their places shows
        the same body once more, and completes nothing.
    """
    here = np.unique(_places(chosen, chosen[0]).round(3))
    if len(here) < _FEWEST_PLACES:
        return 0
    step = float(np.median(np.diff(here)))
    off = OFF_GRID * step
    new = [here[:0]]
    for part in filter(len, parts):
        apart = part[np.abs(part[:, None] - here).min(axis=1) > off]
        if len(part) - len(apart) <= len(here) / 2:
            new.append(apart)
    found = np.unique(np.concatenate(new).round(3))
    goes_on = (np.abs(found - here[-1] - step) < off) | (np.abs(here[0] - step - found) < off)
    within = found[(found > here[0]) & (found < here[-1])]
    steps = np.diff(np.union1d(here, within))
    fills = len(within) > 0 and np.ptp(steps) < 2 * OFF_GRID * np.median(steps)
    return len(found) if goes_on.any() or fills else 0


def _check_other_part(chosen: list[SliceHeader], other: list[SliceHeader]) -> None:
    """Raise BadCase unless axial slices of the chosen series that are left out are another reconstruction of it.

    They are if both parts name their kernels, form whole stacks and cover the same part of the body.
    """
    first, second = chosen[0], other[0]
    files = f"(files {first.ordinal} and {second.ordinal})"
    if first.frames > 1 or second.frames > 1 or first.enhanced or second.enhanced:
        raise BadCase(f"one series in several multi-frame files that are no concatenation {files}: which is the scan?")
    if (first.rows, first.columns) != (second.rows, second.columns):
        raise BadCase("the slices of the series differ in rows and columns")
    if not _same_orientation(first, second):
        raise BadCase(
            f"the slices of one series are turned against each other: ImageOrientationPatient"
            f" {tag_of('ImageOrientationPatient')} changes {files}"
        )
    if not (first.kernel and second.kernel):
        raise BadCase(
            f"a part of the series does not name its kernel: ConvolutionKernel {tag_of('ConvolutionKernel')} is missing"
            f" {files}, so that it is not clear whether the series is whole"
        )
    if not _cover_the_same(_whole_stack(chosen), _whole_stack(other)):
        raise BadCase(
            f"ConvolutionKernel {tag_of('ConvolutionKernel')} changes within the series {files}, and its parts do not"
            " cover the same slices"
        )


def _whole_stack(group: list[SliceHeader]) -> tuple[float, float] | None:
    """Return the first and last position of a group along its normal in mm; None if it forms no even stack."""
    try:
        ordered, along = sort_by_position([place_slice(header) for header in group])
        stack_slices([header for header, repeated in zip(ordered, same_place(along), strict=True) if not repeated])
    except BadCase:
        return None
    return float(along[0]), float(along[-1])


def _cover_the_same(first: tuple[float, float] | None, second: tuple[float, float] | None) -> bool:
    if first is None or second is None:
        return False
    common = min(first[1], second[1]) - max(first[0], second[0])
    return common >= MIN_COVER * max(first[1] - first[0], second[1] - second[0])


def _number_of_slices(group: list[SliceHeader]) -> int:
    return sum(header.frames for header in group)


def _described(group: list[SliceHeader]) -> str:
    """Describe a series in a note, without any text of its headers."""
    first = group[0]
    kernel = kernel_class(first.kernel)
    parts = [
        f"{_number_of_slices(group)} slices",
        f"{first.thickness:g} mm" if first.thickness else "",
        f"{kernel} kernel" if kernel else "",
        "contrast" if first.contrast else "",
    ]
    return ", ".join(filter(None, parts))
