"""Generate textures of a few classes, to pre-train a network on images other than CT."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter


def _coordinates(size: int) -> tuple[np.ndarray, np.ndarray]:
    return np.meshgrid(np.arange(size), np.arange(size), indexing="ij")


def _stripes(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw parallel waves in any direction."""
    rows, columns = _coordinates(size)
    angle, period, phase = rng.uniform(0, np.pi), rng.uniform(4, 12), rng.uniform(0, 2 * np.pi)
    return np.sin(2 * np.pi * (rows * np.sin(angle) + columns * np.cos(angle)) / period + phase)


def _chequers(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a chequerboard."""
    rows, columns = _coordinates(size)
    width, shift = rng.integers(3, 9), rng.integers(0, 9, 2)
    return ((rows + shift[0]) // width + (columns + shift[1]) // width) % 2


def _rings(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw concentric waves."""
    rows, columns = _coordinates(size)
    centre, period = rng.uniform(0, size, 2), rng.uniform(4, 12)
    return np.sin(2 * np.pi * np.hypot(rows - centre[0], columns - centre[1]) / period)


def _grain(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw noise without structure."""
    return rng.normal(size=(size, size))


def _clouds(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw smooth noise."""
    return gaussian_filter(rng.normal(size=(size, size)), rng.uniform(3, 7), mode="wrap")


def _islands(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw smooth noise cut into two levels: patches with sharp borders."""
    return _clouds(size, rng) > 0


def _dots(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw scattered bright spots."""
    spots = rng.random((size, size)) < rng.uniform(0.005, 0.02)
    return gaussian_filter(spots.astype(float), rng.uniform(1, 2), mode="wrap")


CLASSES: tuple[Callable[[int, np.random.Generator], np.ndarray], ...] = (
    _stripes,
    _chequers,
    _rings,
    _grain,
    _clouds,
    _islands,
    _dots,
)


def draw_textures(n: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw n textures, of the classes in turn. Level and contrast are random and do not depend on the class.

    Returns
    -------
    images : (n, size, size) uint8
    classes : (n,) int
        Positions in CLASSES.
    """
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % len(CLASSES)
    return np.stack([_to_bytes(CLASSES[number](size, rng), rng) for number in classes]), classes


def _to_bytes(pattern: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scale a pattern to uint8 between two random levels at least 80 apart, and add a little noise."""
    pattern = pattern.astype(float)
    span = np.ptp(pattern) or 1.0
    low, contrast = rng.uniform(0, 100), rng.uniform(80, 155)
    image = low + contrast * (pattern - pattern.min()) / span + rng.normal(0, 4, pattern.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
