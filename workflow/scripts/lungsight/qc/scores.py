"""Scores that say whether a mask is a plausible lung, one set per slice.

Images are (rows, columns) floats in [0, 1], the windowed intensity; masks are bool of the same shape.
"""

from itertools import pairwise

import numpy as np
from scipy import ndimage
from skimage.morphology import convex_hull_image

SMALLEST_SHARE = 0.01  # of the mask: smaller pieces are specks, not components
AIRWAY_SHARE = 0.006  # of the body: a trachea has 2 to 4 cm² of some 600


def components_of(mask: np.ndarray) -> list[np.ndarray]:
    """The 4-connected components of at least 1 % of the mask, the largest first, each cut to its bounding box."""
    labels, _ = ndimage.label(mask)
    boxes = ndimage.find_objects(labels)
    areas = np.bincount(labels.ravel())[1:]
    order = np.argsort(-areas, kind="stable")
    kept = order[areas[order] >= SMALLEST_SHARE * areas.sum()]
    return [labels[boxes[index]] == index + 1 for index in kept]


def largest_component(mask: np.ndarray) -> np.ndarray:
    """The largest 4-connected component of the mask, as bool of its shape; empty for an empty mask."""
    labels, count = ndimage.label(mask)
    if count == 0:
        return np.zeros_like(mask)
    return labels == np.bincount(labels.ravel())[1:].argmax() + 1


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """The mask with every region that it encloses; a region that touches the image border is not enclosed."""
    labels, _ = ndimage.label(~mask)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    outside = np.zeros(labels.max() + 1, dtype=bool)
    outside[border] = True
    outside[0] = False
    return ~outside[labels]


def border_contact(mask: np.ndarray) -> float:
    """Share of the image's outermost pixels that the mask covers."""
    on_border = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    return float(on_border.mean())


def solidity(components: list[np.ndarray]) -> float:
    """Area of the components over the area of their convex hulls."""
    hulls = sum(int(convex_hull_image(part).sum()) for part in components)
    return sum(int(part.sum()) for part in components) / hulls


def enclosed_air(image: np.ndarray, level: float) -> np.ndarray:
    """Pixels below `level` inside the body, found without any mask: lung and large gas.

    The body is the largest connected region at or above `level`, with what it encloses; pieces of air below 0.6 % of
    its area are airways and bowel.
    """
    bright = image >= level
    body = fill_holes(largest_component(bright))
    labels, _ = ndimage.label(body & ~bright)
    large = np.bincount(labels.ravel()) >= AIRWAY_SHARE * int(body.sum())
    large[0] = False
    return large[labels]


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Dice coefficient of two masks; NaN where both are empty."""
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else float("nan")


def slice_scores(image: np.ndarray, mask: np.ndarray, soft_level: float, air_level: float) -> dict[str, float]:
    """Scores of one slice by itself; columns of the table `scores` without `slice` and `neighbour_dice`.

    soft_level: intensity from which a pixel counts as soft tissue. air_level: intensity below which it counts as air.
    Scores that an empty mask does not have are NaN.
    """
    area = int(mask.sum())
    air = enclosed_air(image, air_level)
    either = int((air | mask).sum())
    found = {
        "lung_fraction": area / mask.size,
        "air_fraction": int(air.sum()) / mask.size,
        "missed_air": int((air & ~mask).sum()) / either if either else float("nan"),
        "components": 0,
    }
    if area == 0:
        names = ("largest_share", "border_contact", "solidity", "holes", "mean_intensity", "soft_fraction")
        return found | dict.fromkeys(names, float("nan"))
    components = components_of(mask)
    inside = image[mask]
    return found | {
        "components": len(components),
        "largest_share": int(components[0].sum()) / area,
        "border_contact": border_contact(mask),
        "solidity": solidity(components),
        "holes": (int(fill_holes(mask).sum()) - area) / area,
        "mean_intensity": float(inside.mean(dtype=float)),
        "soft_fraction": float((inside >= soft_level).mean()),
    }


def neighbour_dices(masks: np.ndarray) -> np.ndarray:
    """For every slice of a volume the better of its Dice coefficients with the slice below and the slice above.

    masks: (slices, rows, columns) bool, feet first. The better one, because the first and last slices of a lung differ
    rightly from their outer neighbour. Returns (slices,) floats; NaN where there is no neighbour or all are empty.
    """
    steps = np.array([dice(lower, upper) for lower, upper in pairwise(masks)])
    padded = np.concatenate([[np.nan], steps, [np.nan]])
    return np.fmax(padded[:-1], padded[1:])


def volume_scores(images: np.ndarray, masks: np.ndarray, soft_level: float, air_level: float) -> list[dict[str, float]]:
    """Scores of every slice of a case.

    images: (slices, rows, columns) floats in [0, 1], masks: bool of the same shape, feet first. Raises ValueError when
    the shapes differ.
    """
    if images.shape != masks.shape:
        raise ValueError(f"the mask is {masks.shape}, the image {images.shape}")
    return [
        slice_scores(image, mask, soft_level, air_level) | {"neighbour_dice": float(agreement)}
        for image, mask, agreement in zip(images, masks, neighbour_dices(masks), strict=True)
    ]
