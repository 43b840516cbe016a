"""Fill RTSTRUCT contours to masks by a pixel-centre test on the grid of the image.

This is our own code because the packages that we tried swap row and column spacing, or give empty masks for
CLOSEDPLANAR_XOR.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pydicom

from lungsight.errors import BadCase
from lungsight.intake.geometry import LPS_TO_RAS

SAME_PLANE = 0.01  # of a slice
ON_A_SLICE = 0.1  # of a slice; contours of the image's own series lie on its slices
# INTERPOLATED_PLANAR is no term of the standard. Planning systems write it for closed contours that they interpolated.
_CLOSED = ("CLOSED_PLANAR", "INTERPOLATED_PLANAR")
_XOR = "CLOSEDPLANAR_XOR"
_OPEN = ("OPEN_PLANAR", "OPEN_NONPLANAR")


@dataclass(frozen=True)
class Contour:
    """One contour of a region.

    Attributes
    ----------
    points : (n, 3) array
        mm in LPS.
    geometric_type : str
        ContourGeometricType.
    """

    points: np.ndarray
    geometric_type: str


def fill(polygons: Iterable[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Fill closed polygons by the even-odd rule: mark the pixel centres that lie inside an odd number of them.

    Edges are half open. So neighbouring polygons share no pixel, and a channel of no width (keyhole) leaves no trace.

    Parameters
    ----------
    polygons : iterable of (n, 2) arrays
        Index coordinates [i, j]; pixel centres are whole numbers.
    shape : (int, int)

    Returns
    -------
    (ni, nj) bool
    """
    toggles = np.zeros((shape[0], shape[1] + 1), np.int32)
    for polygon in polygons:
        start, end = polygon, np.roll(polygon, -1, axis=0)
        downward = start[:, 0] > end[:, 0]
        low, high = np.where(downward[:, None], end, start), np.where(downward[:, None], start, end)
        first = np.clip(np.ceil(low[:, 0]), 0, shape[0]).astype(int)
        last = np.clip(np.ceil(high[:, 0]), 0, shape[0]).astype(int)
        crossings = last - first
        edge = np.repeat(np.arange(len(polygon)), crossings)
        line = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(crossings) - crossings, crossings)
        share = (line - low[edge, 0]) / (high[edge, 0] - low[edge, 0])
        at = low[edge, 1] + share * (high[edge, 1] - low[edge, 1])
        np.add.at(toggles, (line, np.clip(np.ceil(at), 0, shape[1]).astype(int)), 1)
    return np.cumsum(toggles, axis=1)[:, :-1] % 2 == 1


def _area(polygon: np.ndarray) -> float:
    following = np.roll(polygon, -1, axis=0)
    return abs(float(np.sum(polygon[:, 0] * following[:, 1] - following[:, 0] * polygon[:, 1]))) / 2


def fill_rings(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Fill the CLOSED_PLANAR contours of one plane.

    Rings are taken from the largest to the smallest. A ring that lies inside the filled area is a hole, any other ring
    adds its area. A repeated ring counts once.

    Parameters
    ----------
    polygons : sequence of (n, 2) arrays
        Index coordinates [i, j].
    shape : (int, int)

    Returns
    -------
    (ni, nj) bool
    """
    filled = np.zeros(shape, bool)
    earlier: list[np.ndarray] = []
    for polygon in sorted(polygons, key=_area, reverse=True):
        ring = fill([polygon], shape)
        if any(np.array_equal(ring, other) for other in earlier):
            continue
        earlier.append(ring)
        filled = filled & ~ring if ring.any() and not (ring & ~filled).any() else filled | ring
    return filled


def rasterise(contours: Sequence[Contour], shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    """Fill the contours of one region on the grid of a canonical volume.

    POINT contours, and contours of fewer than 3 points, have no area and are skipped. If several planes of contours
    fall on one slice, the nearest plane counts.

    Parameters
    ----------
    contours : sequence of Contour
    shape : (int, int, int)
    affine : (4, 4) array
        From the index to mm in RAS.

    Returns
    -------
    (ni, nj, nk) bool

    Raises
    ------
    BadCase
        For open contours, and for contours more than half a slice off the grid or off their own plane.
    """
    planes = _planes_of(contours, shape[2], affine)
    mask = np.zeros(shape, bool)
    for k in range(shape[2]):
        near = [plane for plane in planes if k - 0.5 <= plane.k < k + 0.5 or (k == shape[2] - 1 and plane.k == k + 0.5)]
        nearest = min((abs(plane.k - k) for plane in near), default=0.0)
        for plane in near:
            if abs(plane.k - k) - nearest < SAME_PLANE:
                mask[:, :, k] |= (fill if plane.xor else fill_rings)(planes[plane], shape[:2])
    return mask


class _Plane(NamedTuple):
    """Contours that are filled together: their height as an index, and whether they are CLOSEDPLANAR_XOR."""

    k: float
    xor: bool


def _planes_of(contours: Sequence[Contour], slices: int, affine: np.ndarray) -> dict[_Plane, list[np.ndarray]]:
    """Group contours by plane, as polygons (n, 2) in index coordinates [i, j]."""
    to_index = np.linalg.inv(affine) @ LPS_TO_RAS
    planes: dict[_Plane, list[np.ndarray]] = {}
    for contour in contours:
        if contour.geometric_type == "POINT" or len(contour.points) < 3:
            continue
        if contour.geometric_type not in (*_CLOSED, _XOR):
            if contour.geometric_type in _OPEN:
                raise BadCase(f"a contour of type {contour.geometric_type} encloses no area")
            raise BadCase(
                "the ContourGeometricType (3006,0042) of a contour is missing or unknown: CLOSED_PLANAR and"
                " CLOSEDPLANAR_XOR are read"
            )
        index = contour.points @ to_index[:3, :3].T + to_index[:3, 3]
        k = float(index[:, 2].mean())
        if np.abs(index[:, 2] - k).max() > 0.5 or not -0.5 <= k <= slices - 0.5:
            raise BadCase("a contour lies more than half a slice off the image's slices")
        xor = contour.geometric_type == _XOR
        same = (plane for plane in planes if abs(plane.k - k) < SAME_PLANE and plane.xor == xor)
        planes.setdefault(next(same, _Plane(k, xor)), []).append(index[:, :2])
    return planes


def off_slices(contours: Iterable[Contour], affine: np.ndarray) -> float:
    """Compute how far contours lie beside the slices of an image at most, in slices: 0 … 0.5."""
    to_index = np.linalg.inv(affine) @ LPS_TO_RAS
    heights = [float((contour.points @ to_index[2, :3] + to_index[2, 3]).mean()) for contour in contours]
    return max((abs(k - round(k)) for k in heights), default=0.0)


def _folded(text: str) -> str:
    """Take the accents off letters: pulmón and pulmon are one word."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether one of the regular expressions matches the whole name of a region.

    Case and accents are ignored; so are brackets and a dot at the end, where the name as written does not match.
    """
    folded = _folded(name).strip()
    forms = {folded, re.sub(r"[()\[\]]", " ", folded).strip(" .")}
    return any(re.fullmatch(_folded(pattern), form, re.IGNORECASE) for pattern in patterns for form in forms)


def choose_regions(names: Sequence[str], roi_names: dict[str, list[str]]) -> dict[str, list[int]]:
    """Choose the regions that make up the lung.

    They are all left and right ones, else those that hold both lungs, else both lungs without the tumour.

    Parameters
    ----------
    names : sequence of str
        Of the regions that have contours.
    roi_names : dict
        Regular expressions for "left", "right", "both", "without_tumour" and "tumour".

    Returns
    -------
    dict
        Positions in `names` of "tumour", and either of "left" and "right" or of "both" or "without_tumour".

    Raises
    ------
    BadCase
        That says which lung has no contour. Its note lists the names.
    """
    positions = {
        region: [position for position, name in enumerate(names) if matches(name, patterns)]
        for region, patterns in roi_names.items()
    }
    for chosen in (("left", "right"), ("both",), ("without_tumour",)):
        if all(positions.get(region) for region in chosen):
            return {region: positions[region] for region in chosen} | {"tumour": positions["tumour"]}
    missing = [side for side in ("left", "right") if not positions[side]]
    absent = "no lung contoured" if len(missing) == 2 else f"{missing[0]} lung not contoured"
    error = BadCase(
        f"{absent}, or under a name that intake.roi_names does not know: write that name there (errors/ in the private"
        f" folder lists the names of this row, {len(names)} in all)"
    )
    error.add_note("\n".join(["The regions of this row's mask have these names:", *names]))
    raise error


class Region(NamedTuple):
    """A region of an RTSTRUCT that has contours: its name, and its contours as they lie in the file."""

    name: str
    items: list[pydicom.Dataset]

    def contours(self) -> list[Contour]:
        """Read the contours; raise BadCase for damaged ones."""
        return [_to_contour(item) for item in self.items]


def read_regions(dataset: pydicom.Dataset, frame_of_reference: str) -> list[Region]:
    """List the regions of an RTSTRUCT that have contours. Two may share a name.

    Parameters
    ----------
    dataset : pydicom.Dataset
    frame_of_reference : str
        FrameOfReferenceUID of the image, "" if it has none.

    Raises
    ------
    BadCase
        If a region names another frame of reference than the image, and for a damaged file.
    """
    frames: dict[int, str] = {}
    names: dict[int, str] = {}
    drawn: list[tuple[int, list[pydicom.Dataset]]] = []
    try:
        for region in dataset.StructureSetROISequence:
            number, name = int(region.ROINumber), str(region.get("ROIName") or "")
            if names.setdefault(number, name) != name:
                raise BadCase("two regions of the RTSTRUCT have one ROINumber (3006,0022) and two names")
            frames[number] = str(region.get("ReferencedFrameOfReferenceUID") or "")
        for region in dataset.get("ROIContourSequence") or []:
            items = [item for item in region.get("ContourSequence") or [] if _has_points(item)]
            drawn += [(int(region.ReferencedROINumber), items)] if items else []
    except BadCase:
        raise
    except Exception as error:  # a damaged file fails in any of pydicom's many ways
        raise BadCase("the RTSTRUCT is damaged: its lists of regions and contours cannot be read") from error
    if frame_of_reference and any(frames.get(number) not in (None, "", frame_of_reference) for number, _ in drawn):
        raise BadCase("the contours lie in another FrameOfReferenceUID (0020,0052) than the image")
    return [Region(names.get(number, ""), items) for number, items in drawn]


def _has_points(item: pydicom.Dataset) -> bool:
    """Tell whether a contour has points, without a look at their numbers: damage to other regions costs no lung."""
    element = item.get_item("ContourData")
    return element is not None and bool(element.value)


def _to_contour(item: pydicom.Dataset) -> Contour:
    """Read one contour; raise BadCase if its numbers are not whole points, or not as many as it says."""
    try:
        numbers = np.atleast_1d(np.asarray(item.ContourData, dtype=np.float64))
        said = int(item.get("NumberOfContourPoints") or 0)
        geometric_type = str(item.get("ContourGeometricType") or "").upper().strip()
    except Exception as error:  # a damaged element fails in any of pydicom's many ways
        raise BadCase("a contour is damaged: its ContourData (3006,0050) holds what is no number") from error
    if len(numbers) % 3 or not np.isfinite(numbers).all():
        raise BadCase("a contour is damaged: its ContourData (3006,0050) is no list of points of three numbers each")
    if said not in (0, len(numbers) // 3):
        raise BadCase(
            f"a contour is damaged: NumberOfContourPoints (3006,0046) says {said}, ContourData (3006,0050) holds"
            f" {len(numbers) // 3}"
        )
    return Contour(numbers.reshape(-1, 3), geometric_type)
