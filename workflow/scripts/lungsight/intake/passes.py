"""Recognise several acquisitions (phases, repeated passes) in what one series calls a single stack.

Their slices may alternate along the body, or one pass may follow the other. Either stack can be evenly spaced.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lungsight.errors import BadCase
from lungsight.intake.headers import SliceHeader, tag_of

MIN_NUMBERED = 8  # the numbers of fewer slices can look interleaved by chance
MOST_PASSES = 12
MIN_REPEATED = 0.25  # of the InstanceNumbers; a copied number or two is a slip, a quarter is a second pass
BREAK = 1.2  # how much more two slices at a seam differ than any neighbours elsewhere
LEAST_PASS = 4  # slices
# Attributes of a slice that change where a pass begins; what changes with every slice hides no other.
_OF_A_PASS = (("acquisition", "time"), ("kvp", "contrast", "thickness", "image_type"), ("phase",))
LIKENESS = 0.7  # how much less the slices of two passes at one place differ than the two at the seam


def check_one_pass(slices: Sequence[SliceHeader]) -> None:
    """Raise BadCase if the headers of a stack, in the order of its normal, show that several passes are mixed.

    AcquisitionNumber or AcquisitionTime shows it, where one value returns after another. InstanceNumber shows it, where
    every second, third, … slice belongs to one run of numbers, or where the numbers start again. What else tells phases
    apart (kV, contrast, thickness, ImageType, cardiac phase) shows it, where every second, third, … slice has the same.
    """
    for keyword, labels in (
        ("AcquisitionNumber", [header.acquisition for header in slices]),
        ("AcquisitionTime", [header.time or None for header in slices]),
    ):
        if passes := _alternating(labels):
            raise BadCase(f"{_number(passes)} acquisitions are interleaved: {keyword} {tag_of(keyword)}")
    for keyword, labels in _phases(slices).items():
        if passes := _periodic(labels):
            raise BadCase(f"{_number(passes)} acquisitions are interleaved: {keyword} {tag_of(keyword)}")
    instances = [header.instance for header in slices]
    for keyword, numbers in (
        ("InstanceNumber", instances),
        ("AcquisitionTime", [_seconds(header.time) for header in slices]),
    ):
        if passes := _interleaved(numbers):
            raise BadCase(f"{_number(passes)} acquisitions are interleaved: {keyword} {tag_of(keyword)}")
    repeated = 1 - len(set(instances)) / len(instances)
    if None not in instances and len(set(instances)) > 1 and repeated > MIN_REPEATED:
        raise BadCase(f"several acquisitions in one series: InstanceNumber {tag_of('InstanceNumber')} starts again")


def _phases(slices: Sequence[SliceHeader]) -> dict[str, list[object]]:
    """List what the slices say in each attribute that differs between phases: keyword → their values."""
    return {
        "KVP": [header.kvp for header in slices],
        "ContrastBolusAgent": [header.contrast for header in slices],
        "SliceThickness": [header.thickness for header in slices],
        "ImageType": [header.image_type for header in slices],
        **{keyword: [header.phase[keyword] for header in slices] for keyword in slices[0].phase},
    }


def _periodic(labels: Sequence[object]) -> int:
    """Return k if the labels of every k slices are those of the k before, and not all the same; else 0."""
    if len(labels) < MIN_NUMBERED or len(set(labels)) < 2:
        return 0
    periods = range(2, min(MOST_PASSES, len(labels) // 3) + 1)
    return next((k for k in periods if list(labels[k:]) == list(labels[:-k])), 0)


def _number(passes: int) -> str:
    return {2: "two", 3: "three", 4: "four"}.get(passes, str(passes))


def _seconds(time: str) -> float | None:
    """Turn a DICOM time, or date and time, into a number that grows with it."""
    try:
        return float(time.split("&")[0])
    except ValueError:
        return None


def _alternating(labels: Sequence[object]) -> int:
    """Count the labels if they return after others over more than half of the stack; else 0.

    Labels that change with every slice or rotation do not return.
    """
    counts = Counter(labels)
    changes = sum(before != after for before, after in pairwise(labels))
    if len(counts) < 2 or changes < len(counts) or max(counts.values()) < 2:
        return 0
    places = {label: [index for index, other in enumerate(labels) if other == label] for label in counts}
    spread = [at[-1] - at[0] + 1 for at in places.values() if len(at) > 1 and at[-1] - at[0] >= len(at)]
    return len(counts) if spread and max(spread) > len(labels) / 2 else 0


def _interleaved(numbers: Sequence[float | None]) -> int:
    """Return k if every k-th number forms a monotonic run apart from the other runs; else 0."""
    known = [number for number in numbers if number is not None]
    if len(known) < max(MIN_NUMBERED, len(numbers)):
        return 0
    for passes in range(2, min(MOST_PASSES, len(known) // 3) + 1):
        runs = sorted((known[start::passes] for start in range(passes)), key=min)
        apart = all(max(before) < min(after) for before, after in pairwise(runs))
        if apart and all(_is_monotonic(run) for run in runs):
            return passes
    return 0


def _is_monotonic(numbers: Sequence[float]) -> bool:
    steps = np.diff(numbers)
    return bool((steps > 0).all() or (steps < 0).all())


def check_no_seam(slices: Sequence[SliceHeader], samples: Sequence[np.ndarray]) -> None:
    """Raise BadCase if a second pass follows the first along the stack, as its pixels show.

    At a seam two slices differ more than any neighbours elsewhere, and after it the body starts again: the slices
    resemble those of the pass before, place by place, more than the two at the seam resemble each other. Seams are
    looked for where a stack falls into equal parts, and where the acquisition or phase changes by the headers.

    Parameters
    ----------
    slices : sequence of SliceHeader
        In the order of the stack.
    samples : sequence of arrays
        Sampled HU of each.
    """
    number = len(slices)
    equal = [range(number // k, number, number // k) for k in range(2, MOST_PASSES + 1) if number % k == 0]
    changes = [
        [at for at, pair in enumerate(pairwise(slices), start=1) if _differ(*pair, attributes)]
        for attributes in _OF_A_PASS
    ]
    steps = np.array([_difference(before, after) for before, after in pairwise(samples)])
    for seams in (*equal, *changes):
        if 0 < len(seams) < MOST_PASSES and _starts_again(list(seams), steps, samples):
            raise BadCase(
                f"{_number(len(seams) + 1)} acquisitions are laid end to end: the body starts again in the stack"
            )


def _differ(first: SliceHeader, second: SliceHeader, attributes: Sequence[str]) -> bool:
    return any(getattr(first, name) != getattr(second, name) for name in attributes)


def _starts_again(seams: list[int], steps: np.ndarray, samples: Sequence[np.ndarray]) -> bool:
    """Tell whether a new pass through the same body begins at each of these slices."""
    ends = [0, *seams, len(samples)]
    at_seams = [seam - 1 for seam in seams]
    elsewhere, seam = np.delete(steps, at_seams), steps[at_seams].min()
    if min(after - before for before, after in pairwise(ends)) < LEAST_PASS or seam <= BREAK * elsewhere.max():
        return False
    again = [
        _difference(samples[start + place], samples[before + place])
        for before, start, end in zip(ends, ends[1:], ends[2:], strict=False)
        for place in range(min(start - before, end - start))
    ]
    return max(again) < LIKENESS * seam


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.mean(np.abs(second - first)))
