"""Paint shapes on one axial plane, with partial volume at their borders."""

from collections.abc import Callable

import numpy as np

from lungsight.demo.fields import capsule, coverage, ellipse

Value = float | np.ndarray | Callable[[np.ndarray], np.ndarray]


class Canvas:
    """The HU of one plane.

    Parameters
    ----------
    x, y : (n,) and (m,) arrays
        Pixel centres in mm on the canonical axes.
    z : float
        Height of the plane in mm.
    bend_x, bend_y : (n, m) arrays
        mm by which anatomy is bent at each pixel, so that no shape is a perfect ellipse.

    Attributes
    ----------
    hu : (n, m) array
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, z: float, bend_x: np.ndarray, bend_y: np.ndarray):
        self.z = z
        self.pixel = float(x[1] - x[0])
        self.axis_x, self.axis_y = x, y
        self.x = x[:, None] + bend_x
        self.y = y[None, :] + bend_y
        self.reach = float(max(np.abs(bend_x).max(), np.abs(bend_y).max())) + 2 * self.pixel
        self.hu = np.full(self.x.shape, -1000.0)

    def distance(self, field: np.ndarray) -> np.ndarray:
        """Divide a field by its own slope: the result is in mm near the border, whatever the scale of the field."""
        slope = np.hypot(*np.gradient(field, self.pixel))
        return field / np.maximum(slope, 1e-3)

    def blend(self, share: np.ndarray, value: float | np.ndarray) -> None:
        """Replace a share of each pixel by a value in HU."""
        self.hu += share * (value - self.hu)

    def paint(self, field: np.ndarray, value: float | np.ndarray, within: np.ndarray | float = 1.0) -> None:
        """Fill the inside of a field with HU. within: share of each pixel that may be painted."""
        self.blend(coverage(self.distance(field), self.pixel) * within, value)

    def window(self, low_x: float, high_x: float, low_y: float, high_y: float) -> tuple[slice, slice]:
        """Find the part of the plane that a shape between these mm can reach."""
        first_i, last_i = np.searchsorted(self.axis_x, (low_x - self.reach, high_x + self.reach))
        first_j, last_j = np.searchsorted(self.axis_y, (low_y - self.reach, high_y + self.reach))
        return slice(int(first_i), int(last_i)), slice(int(first_j), int(last_j))

    def _fill(self, part: tuple[slice, slice], distance: np.ndarray, value: Value, share: float) -> None:
        shade = value(distance) if callable(value) else value
        self.hu[part] += share * coverage(distance, self.pixel) * (shade - self.hu[part])

    def ellipse(self, centre, radii, value: Value, angle: float = 0.0, share: float = 1.0) -> None:
        """Paint an ellipse.

        Parameters
        ----------
        centre, radii : (x, y)
            mm.
        value : float, array or callable
            HU, or the function from the distance to the border to HU.
        angle : float
            Of the first radius, in radians from x to y.
        share : float
            Of each pixel that is replaced.
        """
        reach = max(radii)
        part = self.window(centre[0] - reach, centre[0] + reach, centre[1] - reach, centre[1] + reach)
        self._fill(part, ellipse(self.x[part], self.y[part], centre, radii, angle), value, share)

    def capsule(self, start, end, radius: float, value: Value, share: float = 1.0) -> None:
        """Paint a line of a given radius from start to end, (x, y) in mm."""
        low_x, high_x = sorted((start[0], end[0]))
        low_y, high_y = sorted((start[1], end[1]))
        part = self.window(low_x - radius, high_x + radius, low_y - radius, high_y + radius)
        self._fill(part, capsule(self.x[part], self.y[part], start, end, radius), value, share)


def bone(cortex: float = 620.0, marrow: float = 190.0, thickness: float = 2.5) -> Callable[[np.ndarray], np.ndarray]:
    """Make the function from the distance to a bone's surface to HU: dense outside, spongy inside."""
    return lambda distance: marrow + (cortex - marrow) * np.clip((distance + 2 * thickness) / thickness, 0, 1)
