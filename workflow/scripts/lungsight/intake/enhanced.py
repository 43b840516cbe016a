"""Read the frames of an Enhanced CT, in one file or in the several files of a concatenation, as placed slices."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import pydicom

from lungsight.errors import BadCase
from lungsight.intake.header_values import HeaderValues, tag_of_keyword
from lungsight.intake.headers import MODIFIED_HU, SliceHeader, is_computed, is_hounsfield, placement, tag_of
from lungsight.intake.stacks import PlacedSlice, check_pixels_described, place_slice

_SHARED, _PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
# Functional group → what is read of it.
_GROUPS = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept", "RescaleType"),
    "CTImageFrameTypeSequence": ("FrameType",),
    "FrameContentSequence": ("FrameAcquisitionNumber", "FrameAcquisitionDateTime", "StackID", "TemporalPositionIndex"),
    "CardiacSynchronizationSequence": ("NominalPercentageOfCardiacPhase",),
    "CTXRayDetailsSequence": ("KVP",),
}
_PHASES = ("StackID", "TemporalPositionIndex", "NominalPercentageOfCardiacPhase")
_GROUP_OF = {keyword: group for group, keywords in _GROUPS.items() for keyword in keywords}


def placed_frames(parts: Sequence[SliceHeader]) -> list[PlacedSlice]:
    """Read the frames of an Enhanced CT as slices with a place and a rescale of their own.

    Parameters
    ----------
    parts : sequence of SliceHeader
        One file, or all files of a concatenation.

    Raises
    ------
    BadCase
        If a part is absent, or a frame lacks what it needs, is projected or is not in HU.
    """
    _check_whole(parts)
    return list(chain.from_iterable(_frames_of(part) for part in parts))


def _check_whole(parts: Sequence[SliceHeader]) -> None:
    """Raise BadCase unless the files are one Enhanced CT or all parts of a concatenation."""
    name, _, total = parts[0].concatenation
    numbers = sorted(part.concatenation[1] for part in parts)
    if name and numbers != list(range(1, max(total, 2) + 1)):
        raise BadCase(
            f"a part of an Enhanced CT in several files (a concatenation): {len(parts)} of {total or 'unknown'} are"
            " here"
        )


def _frames_of(part: SliceHeader) -> list[PlacedSlice]:
    check_pixels_described(part)
    try:
        tags = [tag_of_keyword(keyword) for keyword in (_SHARED, _PER_FRAME)]
        dataset = pydicom.dcmread(part.path, stop_before_pixels=True, specific_tags=tags, force=True)
        shared = next(iter(dataset.get(_SHARED) or []), pydicom.Dataset())
        frames = list(dataset.get(_PER_FRAME) or [])
        if len(frames) != part.frames:
            raise BadCase(
                f"NumberOfFrames {tag_of('NumberOfFrames')} is {part.frames}, but {len(frames)} frames are described"
                f" {part.where}"
            )
        return [_placed(part, number, shared, frame) for number, frame in enumerate(frames, start=1)]
    except BadCase:
        raise
    except Exception as error:  # damaged sequences fail in any of pydicom's many ways
        raise BadCase(f"the description of the frames is damaged {part.where}") from error


def _placed(part: SliceHeader, number: int, shared: pydicom.Dataset, frame: pydicom.Dataset) -> PlacedSlice:
    """Describe one frame: its own functional groups count before those that all frames share."""

    def group(keyword: str) -> HeaderValues:
        name = _GROUP_OF[keyword]
        return HeaderValues(next(iter(frame.get(name) or shared.get(name) or []), pydicom.Dataset()))

    where = f"(file {part.ordinal}, frame {number})"
    frame_type = group("FrameType").word("FrameType")
    if is_computed(frame_type):
        raise BadCase(f"a projection, map or reformatted image among the frames of an Enhanced CT {where}")
    rescale_type = group("RescaleType").word("RescaleType")
    if not is_hounsfield(rescale_type):
        raise BadCase(f"RescaleType {tag_of('RescaleType')} says that the values are not in HU {where}")
    content = group("FrameAcquisitionNumber")
    return place_slice(
        replace(
            part,
            frame=number,
            thickness=group("SliceThickness").positive("SliceThickness"),
            acquisition=content.whole("FrameAcquisitionNumber"),
            instance=None,
            time=content.text("FrameAcquisitionDateTime"),
            image_type=frame_type,
            phase={keyword: group(keyword).text(keyword) for keyword in _PHASES},
            kvp=group("KVP").positive("KVP") or part.kvp,
            modified_hu=rescale_type == MODIFIED_HU,
            **placement(group),
        )
    )
