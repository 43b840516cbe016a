"""Measure sharpness: over how many pixels the edge between lung and chest wall rises from 10 % to 90 %."""

import numpy as np

from lungsight.intake.forensics.pixels import Pixels

REACH = 12  # pixels on either side of the edge
PLATEAU = 4  # pixels at each end of a profile that give its lower and its upper level
MIN_CONTRAST = 40  # grey levels
MIN_PROFILES = 8
_MIDDLE = 0.25, 0.75  # of the lungs' height: there the wall is steep
_SUBSTEPS = 10


def edge_width(pixels: Pixels) -> float | None:
    """Measure the 10–90 % width of the chest wall's edge: the median over rows of both sides.

    A sharp edge that was blurred by a normal distribution has 2.563 of its standard deviations.

    Returns
    -------
    float or None
        In pixels, across the edge. None where too few rows show lung beside a wall.
    """
    profiles, slopes = wall_profiles(pixels)
    if len(profiles) < MIN_PROFILES:
        return None
    widths = widths_of(profiles) * np.cos(np.arctan(slopes))
    known = widths[np.isfinite(widths)]
    return float(np.median(known)) if len(known) >= MIN_PROFILES else None


def wall_profiles(pixels: Pixels) -> tuple[np.ndarray, np.ndarray]:
    """Read the picture across the outer edges of the lungs, from lung to wall.

    Returns
    -------
    profiles : (n, 2 · REACH + 1) float64
    slopes : (n,)
        Columns by which the edge moves from row to row.
    """
    rows = np.flatnonzero(pixels.lungs.any(axis=1))
    if not len(rows):
        return np.empty((0, 2 * REACH + 1)), np.empty(0)
    low, high = (int(rows[0] + share * (rows[-1] - rows[0])) for share in _MIDDLE)
    rows = rows[(rows >= low) & (rows <= high)]
    lungs, step = pixels.lungs[rows], pixels.step
    sides = (
        (-1, lungs.argmax(axis=1)),
        (1, lungs.shape[1] - 1 - lungs[:, ::-1].argmax(axis=1)),
    )
    found = [
        _profiles_of_side(pixels.inner, rows * step + step // 2, edge * step + step // 2, way) for way, edge in sides
    ]
    profiles, slopes = zip(*found, strict=True)
    return np.concatenate(profiles), np.concatenate(slopes)


def _profiles_of_side(image: np.ndarray, rows: np.ndarray, edge: np.ndarray, way: int) -> tuple[np.ndarray, np.ndarray]:
    """Read profiles at an edge that runs from row to row; `way` is the direction from lung to wall."""
    slopes = np.gradient(edge.astype(np.float64), rows) if len(rows) > 1 else np.zeros(len(rows))
    inside = (edge - REACH >= 0) & (edge + REACH < image.shape[1])
    columns = edge[inside, None] + way * np.arange(-REACH, REACH + 1)
    return image[rows[inside, None], columns].astype(np.float64), slopes[inside]


def widths_of(profiles: np.ndarray) -> np.ndarray:
    """Measure the 10–90 % width of rising profiles (n, m), in pixels; NaN where one does not rise enough."""
    low, high = np.median(profiles[:, :PLATEAU], axis=1), np.median(profiles[:, -PLATEAU:], axis=1)
    contrast = high - low
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = (profiles - low[:, None]) / contrast[:, None]
    tenth, ninety = _first_crossing(scaled, 0.9, backwards=False), _first_crossing(scaled, 0.1, backwards=True)
    widths = tenth - ninety
    return np.where((contrast >= MIN_CONTRAST) & (widths > 0), widths, np.nan)


def _first_crossing(scaled: np.ndarray, level: float, backwards: bool) -> np.ndarray:
    """Find where profiles cross a level next to where they cross a half, between pixels; NaN where they do not."""
    half = np.argmax(scaled >= 0.5, axis=1)
    places = np.arange(scaled.shape[1])
    if backwards:
        candidates = (scaled[:, :-1] < level) & (scaled[:, 1:] >= level) & (places[:-1] < half[:, None])
        at = candidates.shape[1] - 1 - candidates[:, ::-1].argmax(axis=1)
    else:
        candidates = (scaled[:, :-1] < level) & (scaled[:, 1:] >= level) & (places[1:] >= half[:, None])
        at = candidates.argmax(axis=1)
    each = np.arange(len(scaled))
    before, after = scaled[each, at], scaled[each, at + 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        place = at + (level - before) / (after - before)
    return np.where(candidates.any(axis=1), place, np.nan)
