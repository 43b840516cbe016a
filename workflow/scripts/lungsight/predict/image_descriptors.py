"""Describe an image by a few numbers that say nothing of disease: grey levels, field of view, sharpness and noise.

They are measured on the whole slice at the network's size, in 8 bits, whatever the input view.

References
----------
Pech-Pacheco et al., ICPR 3:314 (2000): the Laplacian as a measure of sharpness. Immerkær, Computer Vision and Image
Understanding 64:300 (1996): the noise.
"""

from typing import Any

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from lungsight.components import largest_component
from lungsight.training.sharded_array import Rows

_QUANTILES = (10, 25, 50, 75, 90)
_TISSUE_QUANTILES = (10, 50, 75, 90, 98)
_LOCAL_QUANTILES = (10, 50, 90)
_BANDS = 5  # half octaves, up to the finest detail that the pixels can hold
# Group → its descriptors, each with its name for people. The groups are words of the column `out_of_range`.
GROUPS = {
    "grey levels": {
        **{"black": "share of black pixels", "white": "share of white pixels", "air_median": "median grey of air"},
        **{f"grey_q{q}": f"grey, {q}th percentile" for q in _QUANTILES},
        **{f"tissue_q{q}": f"grey of tissue, {q}th percentile" for q in _TISSUE_QUANTILES},
    },
    "field of view": {
        "body_height": "height of the body over that of the frame",
        "body_width": "width of the body over that of the frame",
        "body_area": "share of the frame that is body",
        "air_around": "share of the frame that is air around the body",
        "air_at_edge": "share of the edge that is air",
    },
    "sharpness and noise": {
        **{"laplacian": "logarithm of the sharpness", "noise": "logarithm of the noise"},
        **{f"local_q{q}": f"logarithm of the local contrast, {q}th percentile" for q in _LOCAL_QUANTILES},
        **{f"band_{k}": f"logarithm of the power in band {k + 1} of {_BANDS}" for k in range(_BANDS)},
    },
}
NAMES = {key: name for names in GROUPS.values() for key, name in names.items()}
DESCRIPTORS = tuple(NAMES)
_BLACK, _WHITE = 3, 252  # a pixel counts as clipped up to the one and from the other on
_NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_LEAST = 1e-3  # of a grey value in [0, 1]; keeps logarithms finite
_LEAST_SHARE = 1e-6  # of the spectrum's power


def describe_image(image: np.ndarray) -> np.ndarray:
    """Return the DESCRIPTORS of a slice, (size, size) uint8, as float64.

    Grey levels and field of view are shares in [0, 1], of white or of the frame. Sharpness and noise are logarithms.
    """
    threshold = float(threshold_otsu(image)) if image.min() < image.max() else -1.0
    tissue = image > threshold
    return np.array([*_grey_levels(image, tissue), *_field_of_view(tissue), *_detail(image.astype(np.float32) / 255)])


def describe_images(images: Rows, rows: np.ndarray) -> np.ndarray:
    """Describe some of the images, (m, size, size) uint8, which may be memory-mapped. Returns (n, descriptors)."""
    return np.array([describe_image(np.asarray(images[row])) for row in rows]).reshape(len(rows), len(DESCRIPTORS))


def field_of_view(descriptors: np.ndarray) -> dict[str, list[float]]:
    """Return percentiles 5, 50 and 95 of each descriptor of the field of view, of (n, all) descriptors."""
    percentiles = np.percentile(descriptors, (5, 50, 95), axis=0).T
    return {name: percentiles[DESCRIPTORS.index(name)].tolist() for name in GROUPS["field of view"]}


def _grey_levels(image: np.ndarray, tissue: np.ndarray) -> list[float]:
    air = image[~tissue]
    values = [np.median(air) if air.size else 0.0, *np.percentile(image, _QUANTILES)]
    values += list(np.percentile(image[tissue], _TISSUE_QUANTILES))
    shares = [float((image <= _BLACK).mean()), float((image >= _WHITE).mean())]
    return shares + [float(value) / 255 for value in values]


def _field_of_view(tissue: np.ndarray) -> list[float]:
    """Measure the body over the frame, the air that is connected with the edge, and the share of air at the edge."""
    body = largest_component(ndimage.binary_opening(tissue))
    air = ~(ndimage.binary_fill_holes(body) | tissue)
    labels, _ = ndimage.label(air)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    around = np.isin(labels, np.unique(edge[edge > 0]))
    height, width = (_extent(np.any(body, axis=axis)) / tissue.shape[1 - axis] for axis in (1, 0))
    return [height, width, float(body.mean()), float(around.mean()), float((edge > 0).mean())]


def _extent(line: Any) -> float:
    """Return from where to where a line, (n,) bool, is true, in pixels."""
    places = np.flatnonzero(line)
    return float(places[-1] - places[0] + 1) if places.size else 0.0


def _detail(grey: np.ndarray) -> list[float]:
    """Measure sharpness, noise, local contrast and the spectrum, each as a logarithm. grey: in [0, 1]."""
    # Over Gaussian noise of standard deviation 1 the mean of |image * kernel| is 6 · sqrt(2/π).
    noise = float(np.abs(ndimage.convolve(grey, _NOISE_KERNEL)).mean()) * np.sqrt(np.pi / 2) / 6
    mean = ndimage.uniform_filter(grey, 3)
    local = np.sqrt(np.maximum(ndimage.uniform_filter(grey * grey, 3) - mean * mean, 0))
    inner = local[(mean > _BLACK / 255) & (mean < _WHITE / 255)]
    contrasts = np.percentile(inner, _LOCAL_QUANTILES) if inner.size else np.zeros(len(_LOCAL_QUANTILES))
    values = [float(ndimage.laplace(grey).std()), noise, *contrasts]
    return [float(np.log(value + _LEAST)) for value in values] + _spectrum(grey)


def _spectrum(grey: np.ndarray) -> list[float]:
    """Measure the share of the power in each band of spatial frequency, the coarsest first."""
    taper = np.outer(np.hanning(grey.shape[0]), np.hanning(grey.shape[1]))
    power = np.abs(np.fft.fft2((grey - grey.mean()) * taper)) ** 2
    frequency = np.hypot(np.fft.fftfreq(grey.shape[0])[:, None], np.fft.fftfreq(grey.shape[1])[None])
    edges = 0.5 / np.sqrt(2.0) ** np.arange(_BANDS, -1, -1)
    bands = np.histogram(frequency, edges, weights=power)[0] / (power.sum() + _LEAST)
    return [float(np.log(band + _LEAST_SHARE)) for band in bands]
