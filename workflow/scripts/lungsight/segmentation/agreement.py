"""How well predicted masks agree with contours."""

import numpy as np

from lungsight.segmentation.volumes import volume_ml


def dice(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Dice coefficient of two masks of one shape; NaN where both are empty."""
    total = np.count_nonzero(truth) + np.count_nonzero(predicted)
    return 2 * np.count_nonzero(truth & predicted) / total if total else float("nan")


def compare_masks(truth: np.ndarray, predicted: np.ndarray, affine: np.ndarray) -> dict:
    """The measured columns of a case's row in segmentation/metrics.tsv. Masks: (i, j, k) bool on the grid of affine."""
    agreement = dice(truth, predicted)
    return {
        "dice": agreement,
        "true_ml": volume_ml(truth, affine),
        "predicted_ml": volume_ml(predicted, affine),
        "reason": "no lung in either mask" if np.isnan(agreement) else "",
    }
