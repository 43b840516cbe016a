"""Measure how much of a saliency map lies in the lung.

Every metric takes `maps`, (n, H, W) non-negative floats (ReLU maps, enlarged to the network's input size), and `masks`,
(n, H, W) bool (the lung), and returns (n,) float64. It is NaN where the map is zero everywhere or the mask is empty. No
metric depends on the scale of a map. Where pixels tie, a rank metric is its expectation over random orders of the ties.

References
----------
Arras, L., Osman, A. and Samek, W. (2022). CLEVR-XAI: a benchmark dataset for the ground truth evaluation of neural
network explanations.
Wang, H. et al. (2020). Score-CAM: score-weighted visual explanations for convolutional neural networks.
Zhang, J. et al. (2018). Top-down neural attention by excitation backprop.
"""

import numpy as np

from lungsight.explain.resample import average_area, upsample_bilinear

TOP_SHARES = {"top1": 0.01, "top5": 0.05, "top10": 0.10, "top20": 0.20}
METRICS = (
    *("lung_mass", "lung_mass_reference", "enrichment", "rank_accuracy"),
    *(*TOP_SHARES, "iou", "auc"),
)
# Levels of the IoU sweep: iou_10 counts the pixels of at least a tenth of the map's maximum.
IOU_SWEEP = {f"iou_{percent}": percent / 100 for percent in range(10, 100, 10)}
ADDITIONAL = ("pointing", *IOU_SWEEP)
# Metrics that are also measured against the lung with a margin, and their columns.
WITH_MARGIN = {name: f"{name}_margin" for name in ("lung_fraction", *METRICS, "pointing")}
# Metrics that are also measured against lesions, and their columns.
ON_LESIONS = {
    name: name.replace("lung_", "lesion_") if name.startswith("lung_") else f"lesion_{name}" for name in WITH_MARGIN
}
IN_LUNG = "lesion_enrichment_in_lung"
MEASURED_AT_ONCE = 32


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


def _measurable(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return where both the map has a positive pixel and the mask has a pixel, (n,) bool."""
    return (_flat(maps).max(axis=1) > 0) & _flat(masks).any(axis=1)


def _or_nan(values: np.ndarray, maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    return np.where(_measurable(maps, masks), values, np.nan)


def lung_fraction(masks: np.ndarray) -> np.ndarray:
    """Compute the share of the image that is lung, (n,) float64; 0 for an empty mask."""
    return _flat(masks).mean(axis=1)


def lung_mass(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Compute the share of a map's sum that lies in the lung.

    It is the energy-based pointing game of Score-CAM (Wang 2020) and the relevance mass accuracy of Arras 2022.
    """
    flat = _flat(maps).astype(np.float64)
    total = flat.sum(axis=1)
    inside = (flat * _flat(masks)).sum(axis=1)
    return _or_nan(inside / np.where(total > 0, total, 1), maps, masks)


def enrichment(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Compute lung mass over lung fraction; a map without any preference scores 1."""
    fraction = lung_fraction(masks)
    return lung_mass(maps, masks) / np.where(fraction > 0, fraction, 1)


def enrichment_within(maps: np.ndarray, masks: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Compute the enrichment of `masks` as if `regions` were the whole image; a map that is even there scores 1.

    Only the part of a mask inside its region counts. NaN also where the map is zero in the region.

    Parameters
    ----------
    maps, masks
        As for every metric.
    regions
        (n, H, W) bool.
    """
    inside, of_mask = maps * regions, masks & regions
    share = _flat(of_mask).sum(axis=1) / np.maximum(_flat(regions).sum(axis=1), 1)
    return lung_mass(inside, of_mask) / np.where(share > 0, share, 1)


def lung_mass_reference(masks: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Compute the lung mass that a map of exactly the lung would score at the resolution of the raw map.

    The mask is averaged over the pixels of `grid` (rows and columns of the raw map) and enlarged like a map.
    """
    blurred = upsample_bilinear(average_area(masks, grid), masks.shape[1:])
    return lung_mass(blurred, masks)


def hits_among_top(maps: np.ndarray, masks: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Compute the expected number of lung pixels among the `count` (n,) highest pixels, ties in random order."""
    flat, inside = _flat(maps), _flat(masks)
    count = np.maximum(count, 1)
    ascending = np.sort(flat, axis=1)
    level = np.take_along_axis(ascending, (flat.shape[1] - count)[:, None], axis=1)
    above, tied = flat > level, flat == level
    places_left = count - above.sum(axis=1)
    return (above & inside).sum(axis=1) + places_left * (tied & inside).sum(axis=1) / tied.sum(axis=1)


def rank_accuracy(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Compute the share of the K highest pixels that lie in the lung; K is the number of lung pixels (Arras 2022)."""
    area = _flat(masks).sum(axis=1)
    return _or_nan(hits_among_top(maps, masks, area) / np.maximum(area, 1), maps, masks)


def top_share(maps: np.ndarray, masks: np.ndarray, share: float) -> np.ndarray:
    """Compute how much of the highest `share` of all pixels (at least one pixel) lies in the lung."""
    pixels = _flat(maps).shape[1]
    count = np.full(len(maps), max(1, round(share * pixels)))
    return _or_nan(hits_among_top(maps, masks, count) / count, maps, masks)


def pointing_game(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return 1 where the highest pixel lies in the lung, else 0 (Zhang 2018); of tied pixels, the share in the lung."""
    return _or_nan(hits_among_top(maps, masks, np.ones(len(maps), int)), maps, masks)


def iou(maps: np.ndarray, masks: np.ndarray, level: float) -> np.ndarray:
    """Compute the intersection over union of the lung with {map ≥ level · maximum of the map}; level in (0, 1]."""
    flat, inside = _flat(maps), _flat(masks)
    hot = flat >= level * flat.max(axis=1, keepdims=True)
    return _or_nan((hot & inside).sum(axis=1) / np.maximum((hot | inside).sum(axis=1), 1), maps, masks)


def localisation_auc(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Compute the chance that a random lung pixel is higher than a random other one; ties count half.

    It is the area under the ROC curve of the map as a score for the mask, by the Mann-Whitney statistic. NaN also where
    the whole image is lung.
    """
    inside = _flat(masks)
    from scipy.stats import rankdata  # SciPy's statistics take long to load

    ranks = rankdata(_flat(maps), axis=1)
    n_in = inside.sum(axis=1).astype(np.float64)
    n_out = inside.shape[1] - n_in
    pairs = np.where((n_in > 0) & (n_out > 0), n_in * n_out, np.nan)
    return _or_nan(((ranks * inside).sum(axis=1) - n_in * (n_in + 1) / 2) / pairs, maps, masks)


def measure(raw_maps: np.ndarray, masks: np.ndarray, iou_level: float) -> dict[str, np.ndarray]:
    """Compute every metric of a batch of raw maps.

    Parameters
    ----------
    raw_maps
        (n, h, w) at the layer's resolution.
    masks
        (n, H, W) bool at the network's input size.
    iou_level
        Share of a map's maximum from which on a pixel counts for `iou`.

    Returns
    -------
    lung_fraction, METRICS and ADDITIONAL, (n,) float64 each.
    """
    maps = upsample_bilinear(raw_maps, masks.shape[1:])
    return {
        "lung_fraction": lung_fraction(masks),
        "lung_mass": lung_mass(maps, masks),
        "lung_mass_reference": _or_nan(lung_mass_reference(masks, raw_maps.shape[1:]), maps, masks),
        "enrichment": enrichment(maps, masks),
        "rank_accuracy": rank_accuracy(maps, masks),
        **{name: top_share(maps, masks, share) for name, share in TOP_SHARES.items()},
        "iou": iou(maps, masks, iou_level),
        "auc": localisation_auc(maps, masks),
        "pointing": pointing_game(maps, masks),
        **{name: iou(maps, masks, level) for name, level in IOU_SWEEP.items()},
    }


def measure_in_batches(raw_maps: np.ndarray, masks: np.ndarray, iou_level: float) -> dict[str, np.ndarray]:
    """Compute as `measure`, some maps at a time; a value that is not finite counts as zero."""
    finite = np.where(np.isfinite(raw_maps), raw_maps, 0)
    measured = [
        measure(finite[start : start + MEASURED_AT_ONCE], masks[start : start + MEASURED_AT_ONCE], iou_level)
        for start in range(0, len(raw_maps), MEASURED_AT_ONCE)
    ]
    names = ("lung_fraction", *METRICS, *ADDITIONAL)
    return {name: np.concatenate([np.zeros(0), *(batch[name] for batch in measured)]) for name in names}
