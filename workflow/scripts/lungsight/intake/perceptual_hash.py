"""Compute a perceptual hash: pictures that look alike have hashes that differ in few bits."""

import numpy as np
from PIL import Image
from scipy.fft import dctn

BITS = 64
SIZE = 32
# Row and column frequency of the lowest 64 frequencies after the mean, along the diagonals.
_ROWS, _COLUMNS = np.transpose(sorted(np.ndindex(SIZE, SIZE), key=lambda place: (sum(place), place))[1 : BITS + 1])


def perceptual_hash(image: np.ndarray) -> str:
    """Mark which of an image's lowest 64 DCT frequencies lie above their median.

    Another size, encoding, brightness or contrast of the same picture changes few bits. A mirrored or turned picture
    has another hash.

    Parameters
    ----------
    image : (rows, columns) uint8
        It is averaged to 32 × 32 first.

    Returns
    -------
    str
        16 hexadecimal digits.

    References
    ----------
    Zauner, Implementation and benchmarking of perceptual image hash functions (2010), 3.2.
    """
    small = Image.fromarray(image).convert("F").resize((SIZE, SIZE), Image.Resampling.BOX)
    lowest = dctn(np.asarray(small), type=2)[_ROWS, _COLUMNS]
    return np.packbits(lowest > np.median(lowest)).tobytes().hex()


def hashes_as_integers(hashes: np.ndarray) -> np.ndarray:
    """Convert hexadecimal hashes (n,) to uint64 (n,)."""
    return np.array([int(text, 16) for text in hashes], dtype=np.uint64)
