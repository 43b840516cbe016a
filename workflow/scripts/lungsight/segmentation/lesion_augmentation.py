"""Paste synthetic ground glass and consolidation into a scan, so that a network learns that diseased lung is lung.

Contours of healthy or lightly diseased lungs teach a network that lung is dark. It then leaves dense lung out. Here
patches below the pleura become hazy or as dense as soft tissue, while the true mask stays as it is.
"""

import numpy as np
from scipy import ndimage

PATCHES = (3, 9)  # number in a lung volume, and in a single slice
RADIUS_MM = (10.0, 35.0)
FLATNESS = (0.5, 1.0)  # of each radius: patches lie flat along the pleura
DEPTH_MM = 15.0  # most centres are nearer to the pleura
SUBPLEURAL = 0.8  # share of these centres
SOLID = 0.5  # share of patches with a solid core beside the first, and the core's share of the radius
HAZE, CORE = (0.25, 0.6), (0.9, 1.05)  # grey values, as shares of the way from lung to soft tissue
FRAY, FRAY_MM, SOFTNESS = 0.25, 8.0, 0.15  # how much and how finely the edge is frayed; its width; shares of the radius


def with_lesions(
    volume: np.ndarray, lung: np.ndarray, spacing: tuple[float, float, float], rng: np.random.Generator
) -> np.ndarray:
    """Return a scan with synthetic lesions in its lungs. No voxel outside the lungs changes.

    Parameters
    ----------
    volume : (i, j, k) float32
        Any linear grey scale with dark air.
    lung : (i, j, k) bool
        The true lungs.
    spacing
        mm along i, j, k.
    """
    rim = ndimage.binary_dilation(lung, iterations=3) & ~lung
    if not lung.any() or not rim.any():
        return volume
    dark = float(np.median(volume[lung]))
    tissue = float(np.percentile(volume[rim], 75))
    fray = _noise(volume.shape, spacing, rng)
    haze, core = np.zeros(volume.shape, np.float32), np.zeros(volume.shape, np.float32)
    for number, centre in enumerate(_centres(lung, spacing, rng)):
        reach = _reach(volume.shape, centre, spacing, rng)
        haze = np.maximum(haze, _inside(1 - reach + FRAY * fray))
        if number == 0 or rng.random() < SOLID:
            core = np.maximum(core, _inside(SOLID - reach + FRAY * fray))
    changed = volume
    for share, levels in ((haze, HAZE), (core, CORE)):
        grey = dark + rng.uniform(*levels) * (tissue - dark)
        changed = changed + share * np.maximum(grey - changed, 0)
    return np.where(lung, changed, volume).astype(volume.dtype)


def _centres(lung: np.ndarray, spacing: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    """Draw the voxels in the middle of the patches, (n, 3), most of them below the pleura."""
    depth = np.stack([ndimage.distance_transform_edt(plane, spacing[:2]) for plane in lung.transpose(2, 0, 1)], axis=-1)
    near = np.argwhere(lung & (depth <= DEPTH_MM))
    anywhere = np.argwhere(lung)
    places = [near if rng.random() < SUBPLEURAL else anywhere for _ in range(rng.integers(*PATCHES))]
    return np.array([among[rng.integers(len(among))] for among in places])


def _reach(
    shape: tuple[int, ...], centre: np.ndarray, spacing: tuple[float, float, float], rng: np.random.Generator
) -> np.ndarray:
    """Measure how far each voxel is from the middle of a patch, in its radii."""
    radii = rng.uniform(*RADIUS_MM) * rng.uniform(*FLATNESS, 3)
    axes = [
        (np.arange(n) - at) * step / radius for n, at, step, radius in zip(shape, centre, spacing, radii, strict=True)
    ]
    return np.sqrt(sum(part**2 for part in np.ix_(*axes))).astype(np.float32)


def _noise(shape: tuple[int, ...], spacing: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    """Draw smooth noise with a standard deviation of 1."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), [FRAY_MM / step for step in spacing])
    return noise / max(float(noise.std()), 1e-6)


def _inside(depth: np.ndarray) -> np.ndarray:
    """Turn a depth, in radii, into the share of a voxel that a patch covers."""
    return np.clip(0.5 + depth / SOFTNESS, 0, 1)
