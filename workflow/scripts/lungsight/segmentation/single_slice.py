"""Find the lungs in one slice of an unknown grey scale: a picture out of a paper, a crop, a scan in a round field.

No grey value is known beforehand, and the lungs may touch the border of the picture. So several thresholds divide the
slice into pieces that are dark. The border of the picture counts as a wall. Each division leaves out what lies outside
the body or is no lung, and gets a score for how much it looks like two lungs in a chest. The best one wins.

A slice is (i, j) float; i runs across the body, from one lung to the other.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_multiotsu, threshold_otsu
from skimage.transform import downscale_local_mean

from lungsight.components import dilated, eroded, opened

LEAST_SIDE = 3  # pixels: a slice with fewer has nothing but a border
SIDE = 256  # pixels: larger slices are judged at every second, third, … pixel
SMOOTHING = 0.7  # pixels of the judged slice: noise shall not divide the lung
PADDING = 0.02  # of the range of greys: what is nearly as dark as the darkest and holds a corner is padding, not scan
WHITE_LINE = 0.97  # of a row or column: so white, it is the margin of a page
BLURRED_LINES = 2  # at the margin, by the smoothing
# Under a soft-tissue window lung is black: a black piece of this share of the scan. Tissue is little above it.
BLACK_LUNG, ABOVE_BLACK = 0.04, 0.06
NEAR = 0.04  # of the range of greys: thresholds that are nearer to each other than this are one
THIN_WALL = 2.0  # pixels: a gap up to twice as wide in the chest wall or the mediastinum does not join two pieces

SMALLEST = 0.006  # of the area inside the body: smaller pieces are airways and bowel (a trachea has 2 to 4 cm² of 600)
# Of the outline of a piece, on the border of the picture or on padding: air around the body has more, a lung that a
# crop touches less. A piece in a corner of the picture is air already from the smaller share.
CONTACT, CORNER_CONTACT = (0.12, 0.25), 0.15
# A lung that a crop cuts covers this share of the picture, holds a disc of this share of its own area, and reaches over
# this share of the width at most. What else touches the border are gaps between body, arms and table.
TOUCH, CUT_LUNG, THINNEST_CUT_LUNG, WIDEST_CUT_LUNG = 0.02, 0.04, 0.06, 0.6
# Trachea and carina: of the area of all pieces, off the middle and in width as shares of the width of all pieces.
AIRWAY_AREA, AIRWAY_PLACE, AIRWAY_WIDTH = 0.12, 0.15, 0.25
FAT = 0.4  # of the way from lung to tissue: brighter pieces are fat

# Lungs that are cut out cover so much of the picture and hold little that is black. Their outline is dark, a share of
# the range of greys, and little inside is half as bright or much brighter: lung ends there, not skin.
LEAST_CUT_OUT, MOST_CUT_OUT, MOST_HOLES, DARK_RIM = 0.03, 0.6, 0.01, 0.75
MOST_DARKER, MOST_BRIGHTER = 0.1, 0.25

# The score is a product. Each part is full from the first value on: two lungs cover a quarter of the body, one of them
# at least 0.4 of the other, and the outline rises by a third of the range of greys. One lung alone has 0.35 of it.
FULL_AREA, FULL_BALANCE, FULL_STEP, ONE_SIDED = 0.25, 0.4, 0.35, 0.35
MOST_OF_BODY = 0.85  # more is no lung with a chest around it


class Division(NamedTuple):
    """One way to divide a slice into lungs, the rest of the body and what lies outside.

    Attributes
    ----------
    lungs, body : (n, m) bool
        The lungs are part of the body.
    level : float
        Grey value below which a pixel is air.
    score : float
        0 and more: how much the lungs look like lungs.
    cut_out
        Whether the picture shows lungs on one grey and nothing else.
    """

    lungs: np.ndarray
    body: np.ndarray
    level: float
    score: float
    cut_out: bool = False


def frame_of(shape: tuple[int, ...]) -> np.ndarray:
    """Return the outermost pixels of a slice, bool."""
    frame = np.ones(shape, dtype=bool)
    frame[1:-1, 1:-1] = False
    return frame


def edge_of(padding: np.ndarray) -> np.ndarray:
    """Return the places where a scan ends: at the border of the picture and beside padding, bool."""
    return dilated(padding) | frame_of(padding.shape)


def padding_of(plane: np.ndarray) -> np.ndarray:
    """Find what surrounds a scan: the white margin of a page, and within it the darkest grey in the corners. Bool."""
    darkest, brightest = plane.min(), plane.max()
    near = PADDING * (brightest - darkest)
    white = plane >= brightest - near
    padding = np.ones(plane.shape, dtype=bool)
    part = _within_margin(white.mean(axis=1)), _within_margin(white.mean(axis=0))
    labels, _ = ndimage.label(plane[part] <= darkest + near)
    padding[part] = opened(np.isin(labels, _in_corners(labels)), 2)
    return padding


def _within_margin(white: np.ndarray) -> slice:
    """Return the lines from the first to the last one that is not white. white: its share of each line."""
    kept = np.flatnonzero(white <= WHITE_LINE)
    if not kept.size or kept[-1] - kept[0] == len(white) - 1:
        return slice(None)
    return slice(kept[0] + BLURRED_LINES, kept[-1] + 1 - BLURRED_LINES)


def _in_corners(labels: np.ndarray) -> list[int]:
    """List the numbered pieces that hold a corner of the slice."""
    return sorted({*labels[[0, 0, -1, -1], [0, -1, 0, -1]].tolist()} - {0})


def levels_of(plane: np.ndarray, padding: np.ndarray) -> list[float]:
    """List grey values that may divide air from tissue, by Otsu's method with and without padding, in two and three.

    Where lung is black there is but one, just above black, since fat is nearly black as well.
    """
    scan = plane[~padding] if np.count_nonzero(~padding) > padding.size // 50 else plane.ravel()
    darkest, (low, high) = plane.min(), np.percentile(scan, (1, 99))
    black = opened((plane <= darkest + PADDING * (high - darkest)) & ~padding, 2)
    labels, _ = ndimage.label(black)
    sizes = np.bincount(labels.ravel())
    sizes[labels[edge_of(padding)]] = 0
    if sizes[1:].max(initial=0) > BLACK_LUNG * scan.size:
        return [float(darkest + ABOVE_BLACK * (high - darkest))]
    found = [threshold_otsu(scan), threshold_otsu(plane)]
    with suppress(ValueError):  # fewer than three grey values
        found += list(threshold_multiotsu(scan, 3, nbins=64))
    levels: list[float] = []
    for level in sorted(map(float, found)):
        if not levels or level - levels[-1] > NEAR * (high - low):
            levels.append(level)
    return levels


def pieces_of(dark: np.ndarray, depth: np.ndarray, wall: float) -> np.ndarray:
    """Give numbers to the connected pieces of `dark`.

    depth: the distance of each dark pixel to what is not dark. wall: pieces that a gap of less than twice this width
    joins are apart.
    """
    if not wall:
        return ndimage.label(dark)[0]
    core = depth > wall
    labels, count = ndimage.label(core)
    if not count:
        return labels
    distance, nearest = ndimage.distance_transform_edt(~core, return_indices=True)
    return np.where(dark & (distance <= wall + 1.5), labels[tuple(nearest)], 0)


class _Pieces(NamedTuple):
    """Hold numbered pieces with their measures, each with an entry for 0, which is no piece.

    contact: share of the outline that lies on an edge. thickness: area of the largest disc inside, as a share of the
    area. spans: first and last place along i.
    """

    labels: np.ndarray
    area: np.ndarray
    contact: np.ndarray
    thickness: np.ndarray
    spans: np.ndarray


def _measured(labels: np.ndarray, depth: np.ndarray, edge: np.ndarray) -> _Pieces:
    inside = labels > 0
    count = int(labels.max()) + 1
    area = np.bincount(labels.ravel(), minlength=count)
    outline = np.bincount(labels[~eroded(inside)], minlength=count)
    contact = np.bincount(labels[edge], minlength=count) / np.maximum(outline, 1)
    radius = np.zeros(count)
    np.maximum.at(radius, labels[inside], depth[inside])
    boxes = [(box[0].start, box[0].stop) if box else (0, 0) for box in ndimage.find_objects(labels)]
    return _Pieces(labels, area, contact, np.pi * radius**2 / np.maximum(area, 1), np.array([(0, 0), *boxes]))


def outside_of(pieces: _Pieces, most_contact: float) -> np.ndarray:
    """Choose the pieces that are air around the body, bool by their number."""
    gap = (pieces.area < CUT_LUNG * pieces.labels.size) | (pieces.thickness < THINNEST_CUT_LUNG)
    gap |= np.ptp(pieces.spans, axis=1) > WIDEST_CUT_LUNG * len(pieces.labels)
    outside = (pieces.contact > most_contact) | (pieces.contact > TOUCH) & gap
    outside[[n for n in _in_corners(pieces.labels) if pieces.contact[n] > CORNER_CONTACT]] = True
    outside[0] = False
    return outside


def _airways(pieces: _Pieces, chosen: np.ndarray) -> np.ndarray:
    """Choose, among the pieces of air, trachea and carina: small, narrow and near the middle. Bool by their number."""
    spans = pieces.spans
    first, last = spans[chosen, 0].min(), spans[chosen, 1].max()
    small = pieces.area < AIRWAY_AREA * pieces.area[chosen].sum()
    narrow = np.ptp(spans, axis=1) < AIRWAY_WIDTH * (last - first)
    return small & narrow & (abs(spans.mean(axis=1) - (first + last) / 2) < AIRWAY_PLACE * (last - first))


def _fat(plane: np.ndarray, pieces: _Pieces, chosen: np.ndarray, tissue: float) -> np.ndarray:
    """Choose the pieces that are much brighter than the largest chosen one. Bool by their number."""
    grey = np.bincount(pieces.labels.ravel(), plane.ravel(), len(pieces.area)) / np.maximum(pieces.area, 1)
    lung = grey[np.argmax(np.where(chosen, pieces.area, 0))]
    return grey > lung + FAT * (tissue - lung)


class _Slice(NamedTuple):
    """Hold what all divisions of a slice share: greys, their range and slope, padding, and what counts as an edge."""

    plane: np.ndarray
    contrast: float
    slope: np.ndarray
    padding: np.ndarray
    edge: np.ndarray


def _prepared(plane: np.ndarray) -> _Slice:
    plane = ndimage.gaussian_filter(plane.astype(np.float32), SMOOTHING)
    padding = padding_of(plane)
    edge = edge_of(padding)
    slope = np.hypot(*np.gradient(plane))
    slope /= max(np.percentile(slope, 98), 1e-6)
    low, high = np.percentile(plane, (2, 98))
    return _Slice(plane, max(high - low, 1e-6), slope, padding, edge)


def _score(view: _Slice, lungs: np.ndarray, body: np.ndarray) -> float:
    """Judge lungs in a body: their outline is steep, both sides hold lung, and they are no small part of the body."""
    across = np.flatnonzero(body.any(axis=1))
    middle = (across[0] + across[-1] + 1) // 2
    sides = np.count_nonzero(lungs[:middle]), np.count_nonzero(lungs[middle:])
    area = sum(sides) / np.count_nonzero(body)
    inner = eroded(lungs, outside=True)
    rim, around = lungs & ~inner, dilated(lungs, 2) & ~lungs & ~view.padding
    if area > MOST_OF_BODY or not rim.any() or not around.any():
        return 0.0
    inside = view.plane[inner & lungs] if (inner & lungs).any() else view.plane[lungs]
    step = max(0.0, float(view.plane[around].mean() - inside.mean())) / view.contrast
    steepness = np.median(view.slope[rim])
    balance = min(1.0, min(sides) / max(sides) / FULL_BALANCE)
    open_rim = np.count_nonzero(lungs & view.edge) / np.count_nonzero(rim)
    parts = (
        *(float(steepness), min(1.0, step / FULL_STEP), min(1.0, area / FULL_AREA)),
        *(ONE_SIDED + (1 - ONE_SIDED) * balance, max(0.2, 1 - open_rim)),
    )
    return float(np.prod(parts))


def _division(view: _Slice, level: float, pieces: _Pieces, outside: np.ndarray) -> Division | None:
    """Choose lungs among the pieces that are not outside the body; None if no piece is left."""
    body = ~(outside[pieces.labels] | view.padding)
    chosen = ~outside & (pieces.area >= SMALLEST * np.count_nonzero(body))
    chosen[0] = False
    if not chosen.any():
        return None
    chosen &= ~_airways(pieces, chosen)
    tissue = view.plane[body & (view.plane >= level)]
    if chosen.any() and tissue.size:
        chosen &= ~_fat(view.plane, pieces, chosen, float(np.median(tissue)))
    lungs = chosen[pieces.labels]
    return Division(lungs, body, level, _score(view, lungs, body)) if lungs.any() else None


def _divisions(view: _Slice) -> Iterator[Division]:
    """Yield every way to divide a slice that leaves any lung."""
    for level in levels_of(view.plane, view.padding):
        dark = (view.plane < level) & ~view.padding
        depth = ndimage.distance_transform_edt(dark)
        for wall in (0.0, THIN_WALL):
            pieces = _measured(pieces_of(dark, depth, wall), depth, view.edge)
            choices = dict.fromkeys(outside_of(pieces, most_contact).tobytes() for most_contact in CONTACT)
            for outside in choices:  # most often there is but one
                if division := _division(view, level, pieces, np.frombuffer(outside, dtype=bool)):
                    yield division


def enclosed_air(plane: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Find all that is darker than `level` and not outside the body, whatever its shape. Returns air and body, bool."""
    if not can_be_divided(plane):
        nothing = np.zeros(plane.shape, dtype=bool)
        return nothing, nothing
    view = _prepared(plane)
    dark = (view.plane < level) & ~view.padding
    pieces = _measured(pieces_of(dark, dark, 0.0), ndimage.distance_transform_edt(dark), view.edge)
    outside = outside_of(pieces, max(CONTACT))[pieces.labels]
    return dark & ~outside, ~(outside | view.padding)


def _enlarged(mask: np.ndarray, step: int, shape: tuple[int, ...]) -> np.ndarray:
    return mask.repeat(step, axis=0).repeat(step, axis=1)[: shape[0], : shape[1]]


def can_be_divided(plane: np.ndarray) -> bool:
    """Return whether a slice has an inside and a number in every pixel."""
    return min(plane.shape) >= LEAST_SIDE and bool(np.isfinite(plane).all())


def _on_black(plane: np.ndarray) -> np.ndarray:
    """Make the background black where the whole frame of a picture is of one other grey."""
    frame = plane[frame_of(plane.shape)]
    near = PADDING * np.ptp(plane)
    if np.ptp(frame) > near or frame.min() <= plane.min() + near:
        return plane
    labels, _ = ndimage.label(abs(plane - np.median(frame)) <= near)
    return np.where(labels == labels[0, 0], plane.min(), plane)


def cut_out_lungs(plane: np.ndarray) -> np.ndarray | None:
    """Find the lungs in a picture that shows nothing else, the rest being one grey; (i, j) bool. None for others.

    A body on black has a bright wall around darker lungs. Under a window in which lung is black, it has large holes.
    Lungs without any vessel are as even as a slice of the abdomen and are not found.
    """
    if not can_be_divided(plane):
        return None
    plane = _on_black(plane)
    darkest, brightest = np.percentile(plane, (0, 99))
    black = plane <= darkest + PADDING * (brightest - darkest)
    shown = ndimage.binary_fill_holes(opened(~black, 2))
    share = np.count_nonzero(shown) / shown.size
    if not LEAST_CUT_OUT < share < MOST_CUT_OUT or np.count_nonzero(shown & black) > MOST_HOLES * shown.size:
        return None
    if shown[frame_of(shown.shape)].any():
        return None
    inner = eroded(shown, 2)
    rim = inner & ~eroded(inner, 2)
    level = (np.median(plane[rim]) if rim.any() else brightest) - darkest
    shares = level / (brightest - darkest), np.mean(plane[inner] < darkest + level / 2)
    if shares[0] > DARK_RIM or shares[1] > MOST_DARKER:
        return None
    if np.mean(plane[inner] > (darkest + level + brightest) / 2) > MOST_BRIGHTER:
        return None
    return shown


def _reduced(plane: np.ndarray, step: int) -> np.ndarray:
    return downscale_local_mean(plane, (step, step), cval=plane.min()) if step > 1 else plane


def divide(plane: np.ndarray) -> Division | None:
    """Find both lungs in a slice.

    Parameters
    ----------
    plane : (i, j) float
        Any linear grey scale with dark air. i runs across both lungs.

    Returns
    -------
    Division or None
        The likeliest division, on the grid of the slice. None if nothing dark is enclosed, or if the slice has a side
        of less than 3 pixels or a pixel that is no number.
    """
    if not can_be_divided(plane) or plane.min() == plane.max():
        return None
    step = max(1, round(max(plane.shape) / SIDE))
    small, on_black = _reduced(plane, step), _on_black(plane)
    # Before it is reduced: the last lines may get a part of what is beyond the slice, so the frame is no longer even.
    if (shown := cut_out_lungs(small if on_black is plane else _reduced(on_black, step))) is not None:
        lungs = _enlarged(shown, step, plane.shape)
        return Division(lungs, lungs, float(threshold_otsu(plane[lungs])), score=1.0, cut_out=True)
    view = _prepared(small)
    best = max(_divisions(view), key=lambda division: division.score, default=None)
    if best is None:
        return None
    lungs = (plane < best.level) & _enlarged(dilated(best.lungs), step, plane.shape)
    return best._replace(lungs=lungs, body=_enlarged(best.body, step, plane.shape))
