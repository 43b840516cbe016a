"""Measure how the body lies in the frame."""

import numpy as np

from lungsight.intake.forensics.pixels import Pixels

MIN_ELONGATION = 1.1  # ratio of the axes; a rounder body has no direction
MAX_CUT = 0.1  # share of the frame's rim; the axes of a body that is cut off more are those of the frame


def letterbox_rows(pixels: Pixels) -> int:
    """Count the rows of one grey level at the top and at the bottom."""
    return sum(pixels.border_rows)


def letterbox_columns(pixels: Pixels) -> int:
    """Count the columns of one grey level at the left and at the right."""
    return sum(pixels.border_columns)


def border_width(pixels: Pixels) -> int:
    """Return the width of the frame that goes around the picture: its narrowest side, 0 where a side has none."""
    return min(*pixels.border_rows, *pixels.border_columns)


def border_grey(pixels: Pixels) -> int | None:
    """Return the grey level of the frame around the picture; None without one."""
    return int(pixels.grey[0, 0]) if border_width(pixels) else None


def field_of_view(pixels: Pixels) -> float | None:
    """Measure the body's share of the frame, borders included; None where no body is found."""
    within = pixels.inner.size / pixels.grey.size
    return float(pixels.body.mean()) * within if pixels.body.any() else None


def body_cut(pixels: Pixels) -> float | None:
    """Measure the share of the frame's rim that the body covers: it is cut off there. None without a body."""
    body = pixels.body
    if not body.any():
        return None
    return float(np.concatenate([body[0], body[-1], body[:, 0], body[:, -1]]).mean())


def rotation(pixels: Pixels) -> float | None:
    """Measure the angle of the body's long axis.

    Returns
    -------
    float or None
        Degrees, −90 … 90, counter-clockwise from the horizontal. None where no body is found, where it is round or
        where the frame cuts it off.
    """
    cut = body_cut(pixels)
    if cut is None or cut > MAX_CUT:
        return None
    rows, columns = np.nonzero(pixels.body)
    covariance = np.cov(columns, -rows)
    small, large = np.linalg.eigvalsh(covariance)
    if large < MIN_ELONGATION**2 * max(small, 1e-9):
        return None
    return float(np.degrees(0.5 * np.arctan2(2 * covariance[0, 1], covariance[0, 0] - covariance[1, 1])))
