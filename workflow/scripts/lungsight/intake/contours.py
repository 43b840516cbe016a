"""RTSTRUCT contours → masks, by a pixel-centre test on the grid of the image.

Written here because the packages at hand swap row and column spacing or give empty masks for CLOSEDPLANAR_XOR.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pydicom

from lungsight.errors import BadCase
from lungsight.intake.geometry import LPS_TO_RAS

SAME_PLANE = 0.01  # of a slice


@dataclass(frozen=True)
class Contour:
    """points: (n, 3) mm, LPS. kind: ContourGeometricType."""

    points: np.ndarray
    kind: str


def fill(polygons: Iterable[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Even-odd filling of closed polygons: which pixel centres lie inside an odd number of them.

    polygons: each (n, 2), index coordinates [i, j], pixel centres at whole numbers. Returns bool (ni, nj). Edges are
    half open, so neighbouring polygons share no pixel and a channel of no width (keyhole) leaves no trace.
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
    """Filling of CLOSED_PLANAR contours of one plane: a ring inside what is filled so far is a hole, others add.

    polygons: each (n, 2) index coordinates. Returns bool (ni, nj). A ring that is there twice counts once.
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

    shape: (ni, nj, nk); affine: (4, 4) index → mm in RAS. Returns bool of that shape. POINT contours and those with
    fewer than 3 points have no area and are skipped. Where several planes of contours fall on one slice, the nearest
    counts. Raises BadCase for open contours and for contours more than half a slice off the grid or off their plane.
    """
    to_index = np.linalg.inv(affine) @ LPS_TO_RAS
    planes: dict[tuple[float, bool], list[np.ndarray]] = {}
    for contour in contours:
        if contour.kind == "POINT" or len(contour.points) < 3:
            continue
        if contour.kind not in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"):
            raise BadCase(f"a contour of type {contour.kind or 'unknown'} encloses no area")
        index = contour.points @ to_index[:3, :3].T + to_index[:3, 3]
        k = float(index[:, 2].mean())
        if np.abs(index[:, 2] - k).max() > 0.5 or not -0.5 <= k <= shape[2] - 0.5:
            raise BadCase("a contour lies more than half a slice off the image's slices")
        xor = contour.kind == "CLOSEDPLANAR_XOR"
        plane = next((key for key in planes if abs(key[0] - k) < SAME_PLANE and key[1] == xor), (k, xor))
        planes.setdefault(plane, []).append(index[:, :2])
    mask = np.zeros(shape, bool)
    for k in range(shape[2]):
        near = [key for key in planes if k - 0.5 <= key[0] < k + 0.5 or (k == shape[2] - 1 and key[0] == k + 0.5)]
        nearest = min((abs(key[0] - k) for key in near), default=0.0)
        for key in near:
            if abs(key[0] - k) - nearest < SAME_PLANE:
                mask[:, :, k] |= (fill if key[1] else fill_rings)(planes[key], shape[:2])
    return mask


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a region's name is fully matched by one of the regular expressions, case ignored."""
    return any(re.fullmatch(pattern, name.strip(), re.IGNORECASE) for pattern in patterns)


def choose_regions(names: Sequence[str], roi_names: dict[str, list[str]]) -> dict[str, list[int]]:
    """Which regions make up the lung: all that are called left and right, else those that are called both.

    names: of the regions that have contours. Returns positions in `names` for "lung" and "tumour".
    Raises BadCase that says which lung is not contoured.
    """
    found = {
        side: [position for position, name in enumerate(names) if matches(name, patterns)]
        for side, patterns in roi_names.items()
    }
    if found["left"] and found["right"]:
        lung = found["left"] + found["right"]
    elif found["both"]:
        lung = found["both"]
    else:
        missing = [side for side in ("left", "right") if not found[side]]
        raise BadCase("no lung contoured" if len(missing) == 2 else f"{missing[0]} lung not contoured")
    return {"lung": lung, "tumour": found["tumour"]}


def read_contours(dataset: pydicom.Dataset, frame_of_reference: str) -> dict[str, list[Contour]]:
    """The contours of an RTSTRUCT by region name, regions without a contour left out.

    Raises BadCase if a region lies in another frame of reference than the image, where both say which.
    """
    frames, names = {}, {}
    for region in dataset.StructureSetROISequence:
        number = int(region.ROINumber)
        names[number] = str(region.get("ROIName") or "")
        frames[number] = str(region.get("ReferencedFrameOfReferenceUID") or "")
    contours: dict[str, list[Contour]] = {}
    for region in dataset.get("ROIContourSequence") or []:
        number = int(region.ReferencedROINumber)
        drawn = [_to_contour(item) for item in region.get("ContourSequence") or [] if item.get("ContourData")]
        if not drawn:
            continue
        if frame_of_reference and frames.get(number) and frames[number] != frame_of_reference:
            raise BadCase("the contours lie in another FrameOfReferenceUID (0020,0052) than the image")
        contours.setdefault(names.get(number, ""), []).extend(drawn)
    return contours


def _to_contour(item: pydicom.Dataset) -> Contour:
    points = np.asarray(item.ContourData, dtype=np.float64).reshape(-1, 3)
    return Contour(points, str(item.get("ContourGeometricType") or "").upper())
