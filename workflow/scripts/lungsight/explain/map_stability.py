"""Compare saliency maps of several networks on the same slices: rank correlation and structural similarity.

Repeatability compares networks of one backbone that were trained from other seeds, reproducibility networks of two
backbones. Maps are compared enlarged to one grid, so those of layers of unlike resolution can be. Nothing depends on
the scale of a map. What is NaN: a pair of maps of which one is the same everywhere, an empty one above all.

References
----------
Arun, N. et al. (2021). Assessing the trustworthiness of saliency maps for localizing abnormalities in medical imaging.
Radiology: Artificial Intelligence 3(6).
Wang, Z. et al. (2004). Image quality assessment: from error visibility to structural similarity.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy.stats import rankdata
from skimage.metrics import structural_similarity

from lungsight.explain.resample import average_area, upsample_bilinear

GRID = 64  # rows and columns on which maps are compared


def comparable(maps: np.ndarray) -> np.ndarray:
    """Enlarge raw maps (n, h, w) to (n, GRID, GRID) float32, the maximum of each 1; an empty map stays 0.

    A value that is not finite counts as 0.
    """
    large = upsample_bilinear(np.where(np.isfinite(maps), maps, 0), (GRID, GRID))
    highest = large.max(axis=(1, 2), keepdims=True)
    return large / np.where(highest > 0, highest, 1)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the Spearman correlation of maps (n, h, w) pairwise, (n,). NaN where one of the two is constant."""
    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (first, second)]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    spread = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    return np.divide((centred[0] * centred[1]).sum(axis=1), spread, out=np.full(len(first), np.nan), where=spread > 0)


def structural_similarities(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the SSIM of maps in [0, 1] (n, h, w) pairwise, (n,): mean over 7 × 7 windows (Wang 2004).

    NaN where one of the two is constant: two empty maps are not alike, there is nothing to compare.
    """
    constant = (np.ptp(first, axis=(1, 2)) == 0) | (np.ptp(second, axis=(1, 2)) == 0)
    pairs = zip(first, second, constant, strict=True)
    return np.array([np.nan if none else structural_similarity(a, b, data_range=1.0) for a, b, none in pairs])


# The measures of similarity, by the word that ends their metrics.
SIMILARITIES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "spearman": rank_correlation,
    "ssim": structural_similarities,
}


def similarities_of(pairs: Iterable[tuple[np.ndarray, np.ndarray]], n: int) -> dict[str, np.ndarray]:
    """Compare pairs of networks slice by slice.

    Parameters
    ----------
    pairs
        Of comparable maps, (n, GRID, GRID) each.
    n
        Slices.

    Returns
    -------
    By measure, (pairs, n).
    """
    compared = [{name: compare(*pair) for name, compare in SIMILARITIES.items()} for pair in pairs]
    return {name: np.array([each[name] for each in compared]).reshape(len(compared), n) for name in SIMILARITIES}


def mean_over_pairs(similarities: np.ndarray) -> np.ndarray:
    """Average (pairs, n) over the pairs that can be compared, for each slice, (n,). NaN where none can."""
    present = ~np.isnan(similarities)
    total = np.where(present, similarities, 0).sum(axis=0)
    return np.divide(total, present.sum(axis=0), out=np.full(len(total), np.nan), where=present.any(axis=0))


def average_lung(masks: np.ndarray) -> np.ndarray:
    """Average lung masks (n, H, W) into one comparable map for every slice, (n, GRID, GRID): Arun's average mask.

    It says where lungs are, and nothing of the slice. A map that only finds the middle of a chest is as much like it.
    """
    mean = average_area(masks.mean(axis=0, keepdims=True), (GRID, GRID))
    return np.repeat(mean / max(mean.max(), np.finfo(np.float32).tiny), len(masks), axis=0)


def random_maps(shape: Sequence[int], seed: int) -> np.ndarray:
    """Draw maps of random numbers: (networks, n, h, w) of a layer's resolution, uniform in [0, 1)."""
    return np.random.default_rng(seed).random(tuple(shape), dtype=np.float32)
