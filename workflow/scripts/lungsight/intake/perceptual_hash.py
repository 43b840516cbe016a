"""A perceptual hash: pictures that look alike have hashes that differ in few bits."""

from functools import cache

import numpy as np

BITS = 64
# (row frequency, column frequency) of the lowest 64 after the mean, along the diagonals.
_FREQUENCIES = sorted(np.ndindex(11, 11), key=lambda place: (sum(place), place))[1 : BITS + 1]
_ROWS, _COLUMNS = np.transpose(_FREQUENCIES)


@cache
def _cosines(size: int) -> np.ndarray:
    """The slowest 11 waves of a DCT-II over `size` pixels, (11, size) float32."""
    phase = np.pi * (np.arange(size) + 0.5) / size
    return (np.cos(np.outer(np.arange(11), phase)) / size).astype(np.float32)


def perceptual_hash(image: np.ndarray) -> str:
    """Which of an image's lowest 64 DCT frequencies lie above their median, as 16 hexadecimal digits.

    image: (rows, columns), any numbers. Another size of the same picture, another encoding, brightness or contrast
    moves few bits; a mirrored or turned picture has another hash. Source: Zauner, Implementation and benchmarking of
    perceptual image hash functions (2010), 3.2.
    """
    rows, columns = image.shape
    spectrum = _cosines(rows) @ image.astype(np.float32) @ _cosines(columns).T
    lowest = spectrum[_ROWS, _COLUMNS]
    return np.packbits(lowest > np.median(lowest)).tobytes().hex()


def hashes_as_integers(hashes: np.ndarray) -> np.ndarray:
    """Hexadecimal hashes (n,) as uint64 (n,)."""
    return np.array([int(text, 16) for text in hashes], dtype=np.uint64)
