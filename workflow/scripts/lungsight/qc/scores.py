"""Score every slice of a mask, to find masks that are not a plausible lung.

An image is (rows, columns) float in [0, 1], the windowed intensity. A mask is bool of the same shape.
"""

from itertools import pairwise

import numpy as np
from scipy import ndimage
from skimage.morphology import convex_hull_image

from lungsight.components import largest_component
from lungsight.segmentation import single_slice
from lungsight.segmentation.agreement import dice
from lungsight.segmentation.classical import air_in_body

SMALLEST_SHARE = 0.01  # of the mask: smaller pieces are specks, not components
SMALLEST_SIDE = 0.2  # of the lung of a slice: less on one side of the body is not a lung of its own
COMPARED_SIZE = 256  # pixels: larger images are compared with the classical lung at every second, third, … pixel
OF_SHAPE = ("largest_share", "border_contact", "solidity", "holes", "mean_intensity", "soft_fraction")
OF_AGREEMENT = ("missed_air", "neighbour_dice", "classical_dice", "classical_kept", "gas_fraction")
USUAL_LUNG, USUAL_TISSUE = 0.27, 0.86  # −850 and +40 HU under the default window
AIRWAY_SHARE = 0.006  # of the body: a trachea has 2 to 4 cm² of some 600


def components_of(mask: np.ndarray) -> list[np.ndarray]:
    """Return the 4-connected components of at least 1 % of the mask, largest first, each cut to its bounding box."""
    labels, _ = ndimage.label(mask)
    boxes = ndimage.find_objects(labels)
    areas = np.bincount(labels.ravel())[1:]
    order = np.argsort(-areas, kind="stable")
    kept = order[areas[order] >= SMALLEST_SHARE * areas.sum()]
    return [labels[boxes[index]] == index + 1 for index in kept]


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill every region that the mask encloses. A region that touches the image border is not enclosed."""
    labels, _ = ndimage.label(~mask)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    outside = np.zeros(labels.max() + 1, dtype=bool)
    outside[border] = True
    outside[0] = False
    return ~outside[labels]


def border_contact(mask: np.ndarray) -> float:
    """Return the share of the image's outermost pixels that the mask covers."""
    on_border = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    return float(on_border.mean())


def solidity(components: list[np.ndarray]) -> float:
    """Return the area of the components over the area of their convex hulls."""
    hulls = sum(int(convex_hull_image(part).sum()) for part in components)
    return sum(int(part.sum()) for part in components) / hulls


def enclosed_air(image: np.ndarray, level: float, walled: bool = False) -> np.ndarray:
    """Find lung and other large pieces of air inside the body, without a mask.

    The body is the largest connected region at or above `level`, with what it encloses. Air is what lies below `level`
    in it. Pieces of less than 0.6 % of the area of the body count as airways and bowel, and are left out.

    walled: the border of the image closes the body, as it does where a picture is cropped to the lungs.

    Returns
    -------
    (rows, columns) bool
    """
    if walled:
        air, body = (part.T for part in single_slice.enclosed_air(image.T, level))
    else:
        bright = image >= level
        body = fill_holes(largest_component(bright))
        air = body & ~bright
    labels, _ = ndimage.label(air)
    large = np.bincount(labels.ravel()) >= AIRWAY_SHARE * int(body.sum())
    large[0] = False
    return large[labels]


def slice_scores(
    image: np.ndarray, mask: np.ndarray, soft_level: float, air_level: float, walled: bool = False
) -> dict[str, float]:
    """Score one slice by itself.

    Parameters
    ----------
    image : (rows, columns) float
    mask : (rows, columns) bool
    soft_level
        Intensity from which a pixel counts as soft tissue.
    air_level
        Intensity below which a pixel counts as air.
    walled
        As for `enclosed_air`.

    Returns
    -------
    dict
        Columns of the table `scores`. Scores that an empty mask does not have are NaN.
    """
    area = int(mask.sum())
    air = enclosed_air(image, air_level, walled)
    either = int((air | mask).sum())
    scores = {
        "lung_fraction": area / mask.size,
        "air_fraction": int(air.sum()) / mask.size,
        "missed_air": int((air & ~mask).sum()) / either if either else float("nan"),
        "components": 0,
    }
    if area == 0:
        return scores | dict.fromkeys(OF_SHAPE, float("nan"))
    components = components_of(mask)
    inside = image[mask]
    return scores | {
        "components": len(components),
        "largest_share": int(components[0].sum()) / area,
        "border_contact": border_contact(mask),
        "solidity": solidity(components),
        "holes": (int(fill_holes(mask).sum()) - area) / area,
        "mean_intensity": float(inside.mean(dtype=float)),
        "soft_fraction": float((inside >= soft_level).mean()),
    }


def scores_without_mask(image: np.ndarray, air_level: float, walled: bool = False) -> dict[str, float]:
    """Score a slice whose case has no mask: the air in the body, and NaN for every score of a mask."""
    unknown = dict.fromkeys(("lung_fraction", *OF_SHAPE, *OF_AGREEMENT), float("nan"))
    return unknown | {"components": 0, "air_fraction": float(enclosed_air(image, air_level, walled).mean())}


def neighbour_dices(masks: np.ndarray) -> np.ndarray:
    """Return for every slice the better of its Dice coefficients with the slices below and above.

    The better one counts, because the first and last slices of a lung rightly differ from their outer neighbour.

    Parameters
    ----------
    masks : (slices, rows, columns) bool
        Feet first.

    Returns
    -------
    (slices,) float
        NaN where there is no neighbour, or where all of them are empty.
    """
    steps = np.array([dice(lower, upper) for lower, upper in pairwise(masks)])
    padded = np.concatenate([[np.nan], steps, [np.nan]])
    return np.fmax(padded[:-1], padded[1:])


def _kept_of_worse_side(lung: np.ndarray, mask: np.ndarray, middle: int) -> float:
    """Return the share of the lung that the mask covers, on the side of the body where it covers less.

    It is NaN in a slice without lung. middle: the first column of the right half.
    """
    sides = [slice(None, middle), slice(middle, None)]
    areas = [int(lung[:, side].sum()) for side in sides]
    kept = [
        int((lung[:, side] & mask[:, side]).sum()) / area
        for side, area in zip(sides, areas, strict=True)
        if area > SMALLEST_SIDE * sum(areas)
    ]
    return min(kept, default=float("nan"))


def classical_scores(images: np.ndarray, masks: np.ndarray, air_level: float) -> list[dict[str, float]]:
    """Compare each mask of a case with the lung that threshold and connected components find in the image.

    Only pixels below `air_level` are compared. A threshold cannot find consolidated lung, so consolidation counts
    neither for a mask nor against it.

    Parameters
    ----------
    images : (slices, rows, columns) float in [0, 1]
    masks : (slices, rows, columns) bool

    Returns
    -------
    list of dict
        For each slice: `classical_dice`, the Dice coefficient with the classical lung; `classical_kept`, the share of
        the classical lung that the mask keeps, on the worse side of the body; `gas_fraction`, the share of the mask
        that is gas in airways, stomach or bowel.
    """
    step = max(1, min(images.shape[1:]) // COMPARED_SIZE)
    images, masks = images[:, ::step, ::step], masks[:, ::step, ::step]
    _, lungs, gas = (part.transpose(2, 1, 0) for part in air_in_body(images.transpose(2, 1, 0)))
    dark = images < air_level
    lungs &= dark
    columns = np.flatnonzero(lungs.any(axis=(0, 1)))
    middle = (columns[0] + columns[-1] + 1) // 2 if columns.size else 0
    return [
        {
            "classical_dice": dice(lung, mask & air),
            "classical_kept": _kept_of_worse_side(lung, mask, middle),
            "gas_fraction": int((mask & hollow).sum()) / int(mask.sum()) if mask.any() else float("nan"),
        }
        for lung, hollow, air, mask in zip(lungs, gas, dark, masks, strict=True)
    ]


def is_cut_out(image: np.ndarray) -> bool:
    """Return whether a picture shows the lungs alone, all else being one grey. image: (rows, columns) float."""
    step = max(1, min(image.shape) // COMPARED_SIZE)
    return single_slice.cut_out_lungs(image[::step, ::step]) is not None


def on_usual_scale(image: np.ndarray) -> np.ndarray:
    """Stretch the greys of a picture so that lung and soft tissue lie where they do under the default window.

    The limits of `qc.rules` are values on that scale, and the window of a picture is unknown. A picture in which
    nothing dark is enclosed stays as it is. image: (rows, columns) float in [0, 1]. Returns the same.
    """
    division = single_slice.divide(image.T)
    if division is None:
        return image
    lung = np.median(image.T[division.lungs])
    tissue = np.median(image.T[division.body & (division.level <= image.T)])
    stretched = USUAL_LUNG + (image - lung) / max(tissue - lung, 1e-6) * (USUAL_TISSUE - USUAL_LUNG)
    return np.clip(stretched, 0, 1)


def volume_scores(
    images: np.ndarray, masks: np.ndarray | None, soft_level: float, air_level: float, known_window: bool = True
) -> list[dict[str, float]]:
    """Score every slice of a case.

    Parameters
    ----------
    images : (slices, rows, columns) float in [0, 1]
        Feet first.
    masks : (slices, rows, columns) bool, or None
        None if the case has no mask.
    soft_level, air_level
        As for `slice_scores`.
    known_window
        Whether the intensities are those of the run's window. They are not in a picture.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    cut_out = {"cut_out": int(len(images) == 1 and is_cut_out(images[0]))}
    if not known_window:
        images = np.stack([on_usual_scale(image) for image in images])
    walled = len(images) == 1
    if masks is None:
        return [scores_without_mask(image, air_level, walled) | cut_out for image in images]
    if images.shape != masks.shape:
        raise ValueError(f"the mask is {masks.shape}, the image {images.shape}")
    return [
        slice_scores(image, mask, soft_level, air_level, walled)
        | {"neighbour_dice": float(agreement)}
        | classical
        | cut_out
        for image, mask, agreement, classical in zip(
            *(images, masks, neighbour_dices(masks), classical_scores(images, masks, air_level)), strict=True
        )
    ]
