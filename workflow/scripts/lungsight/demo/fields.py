"""Compute shapes as signed distance fields, and random fields, in mm. Negative is inside."""

from dataclasses import dataclass

import numpy as np
from scipy import fft


def ellipse(x, y, centre, radii, angle: float = 0.0):
    """Measure the distance to an ellipse, exact to first order at its border.

    Parameters
    ----------
    x, y : float or array
        Coordinates in mm; they broadcast.
    centre, radii : (x, y)
        mm.
    angle : float
        Of the first radius, in radians from x to y.
    """
    along, across = x - centre[0], y - centre[1]
    if angle:
        cosine, sine = np.cos(angle), np.sin(angle)
        along, across = cosine * along + sine * across, cosine * across - sine * along
    along, across = along / radii[0], across / radii[1]
    level = np.sqrt(along**2 + across**2) + 1e-6
    slope = np.sqrt((along / radii[0]) ** 2 + (across / radii[1]) ** 2) / level + 1e-6
    return (level - 1) / slope


def superellipse(x, y, half_width, half_depth, exponent: float):
    """Measure the distance to |x/a|ⁿ + |y/b|ⁿ = 1 along the ray from the origin. The half axes may vary by point."""
    level = (np.abs(x / half_width) ** exponent + np.abs(y / half_depth) ** exponent) ** (1 / exponent)
    return np.hypot(x, y) * (1 - 1 / np.maximum(level, 1e-3))


def capsule(x, y, start, end, radius: float):
    """Measure the distance to a line segment of a given radius. start, end: (x, y) in mm."""
    step = (end[0] - start[0], end[1] - start[1])
    length = max(step[0] ** 2 + step[1] ** 2, 1e-9)
    share = np.clip(((x - start[0]) * step[0] + (y - start[1]) * step[1]) / length, 0, 1)
    return np.hypot(x - start[0] - share * step[0], y - start[1] - share * step[1]) - radius


def smooth_min(first, second, rounding: float):
    """Unite two distance fields; their seam is rounded over `rounding` mm (polynomial smooth minimum, I. Quilez)."""
    overlap = np.maximum(rounding - np.abs(first - second), 0) / rounding
    return np.minimum(first, second) - overlap**2 * rounding / 4


def smooth_max(first, second, rounding: float):
    """Intersect two distance fields with a rounded seam."""
    return -smooth_min(-first, -second, rounding)


def coverage(distance, pixel: float):
    """Compute the share of a pixel (size in mm) that lies inside a shape: partial volume at its border."""
    return np.clip(0.5 - distance / pixel, 0, 1)


def smooth_step(low: float, high: float, value):
    """Rise from 0 at `low` to 1 at `high` along a cubic."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share**2 * (3 - 2 * share)


@dataclass(frozen=True)
class Waves:
    """A random field of zero mean and unit variance: a sum of plane waves, smooth in all three directions.

    Attributes
    ----------
    vectors : (n, 3) array
        Wave vectors in rad/mm.
    phases : (n,) array
        In rad.
    """

    vectors: np.ndarray
    phases: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, wavelengths: tuple[float, float], count: int = 24, along_z: float = 1.0):
        """Draw waves of random direction and of wavelengths (mm) from a range; `along_z` stretches them in z."""
        direction = rng.normal(size=(count, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        vectors = direction * (2 * np.pi / rng.uniform(*wavelengths, size=(count, 1)))
        vectors[:, 2] /= along_z
        return cls(vectors, rng.uniform(0, 2 * np.pi, count))

    def on_grid(self, x: np.ndarray, y: np.ndarray, z: float) -> np.ndarray:
        """Evaluate the field on the plane z over the axes x (n,) and y (m,): (n, m)."""
        along_x = np.outer(x, self.vectors[:, 0])
        along_y = np.outer(y, self.vectors[:, 1]) + self.phases + self.vectors[:, 2] * z
        # cos(a + b) = cos a cos b - sin a sin b. einsum, since BLAS would start threads and these processes share the
        # cores already.
        first = np.hstack([np.cos(along_x), -np.sin(along_x)]).astype(np.float32)
        second = np.hstack([np.cos(along_y), np.sin(along_y)]).astype(np.float32)
        return np.einsum("iw,jw->ij", first, second).astype(np.float64) * np.sqrt(2 / len(self.phases))

    def at(self, points: np.ndarray) -> np.ndarray:
        """Evaluate the field at points (n, 3)."""
        return np.cos(points @ self.vectors.T + self.phases).sum(axis=-1) * np.sqrt(2 / len(self.phases))


def band_noise(rng: np.random.Generator, shape: tuple[int, int], peak: float, width: float) -> np.ndarray:
    """Draw noise of unit variance whose spectrum is a bell around `peak` cycles per pixel, like that of a kernel."""
    rows, columns = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    frequency = np.hypot(rows, columns)
    spectrum = fft.rfft2(rng.standard_normal(shape)) * np.exp(-(((frequency - peak) / width) ** 2))
    spectrum[0, 0] = 0
    noise = fft.irfft2(spectrum, s=shape)
    return noise / noise.std()
