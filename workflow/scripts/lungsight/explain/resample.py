"""Resample batches of images by separable weights; pixel centres lie at half pixels."""

from functools import cache

import numpy as np


@cache
def bilinear_weights(size_in: int, size_out: int) -> np.ndarray:
    """Return weights (size_out, size_in) float64 that interpolate linearly between pixel centres.

    Pixel k of `size` covers [k, k + 1] / size. Beyond the outermost centres the edge value holds. The convention is
    that of `tf.image.resize(method="bilinear")` without antialiasing.
    """
    centres = (np.arange(size_out) + 0.5) * size_in / size_out - 0.5
    centres = np.clip(centres, 0, size_in - 1)
    left = np.minimum(np.floor(centres).astype(int), max(size_in - 2, 0))
    share = centres - left
    weights = np.zeros((size_out, size_in))
    rows = np.arange(size_out)
    weights[rows, left] = 1 - share
    if size_in > 1:
        weights[rows, left + 1] = share
    return weights


@cache
def area_weights(size_in: int, size_out: int) -> np.ndarray:
    """Return weights (size_out, size_in) float64 that average over each output pixel; sizes need not divide."""
    edges_out = np.arange(size_out + 1) * size_in / size_out
    start, end = edges_out[:-1, None], edges_out[1:, None]
    pixel = np.arange(size_in)
    overlap = np.clip(np.minimum(end, pixel + 1) - np.maximum(start, pixel), 0, None)
    return overlap * size_out / size_in


def _resample(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.matmul(np.matmul(rows, images.astype(np.float64)), columns.T).astype(np.float32)


def upsample_bilinear(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge images (n, h, w) to (n, *size) float32."""
    return _resample(images, bilinear_weights(images.shape[1], size[0]), bilinear_weights(images.shape[2], size[1]))


def average_area(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrink images or masks (n, H, W) to (n, *size) float32, the mean over each output pixel."""
    return _resample(images, area_weights(images.shape[1], size[0]), area_weights(images.shape[2], size[1]))
