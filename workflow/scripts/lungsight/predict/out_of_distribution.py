"""Find scans that are unlike those of the training, by header, HU values and features of the network."""

from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from sklearn.covariance import LedoitWolf

from lungsight.rows import CasesRow

# Columns of cases.tsv that are compared, each with its name and its unit.
COMPARED = {
    "spacing_row": ("pixel spacing", "mm"),
    "spacing_slice": ("slice spacing", "mm"),
    "slice_thickness": ("slice thickness", "mm"),
    "kvp": ("tube voltage", "kV"),
    "hu_p01": ("1st percentile of HU", "HU"),
    "hu_p50": ("median HU", "HU"),
    "hu_p99": ("99th percentile of HU", "HU"),
}
MARGIN = 0.1  # of the training range, added at either end
FEATURE_QUANTILE = 0.99  # of the distances of validation slices: a slice beyond it is out of distribution


@dataclass(frozen=True)
class TrainingDistribution:
    """The distribution that a model was trained on.

    Attributes
    ----------
    ranges
        Column of `cases` → lowest and highest value of the training cases.
    contrast
        Values of the column `contrast` that occur among the training cases.
    mean : (d,) float64
        Of the features of the training slices.
    precision : (d, d) float64
        Inverse covariance of these features.
    distance
        Mahalanobis distance from which features are out of distribution.
    """

    ranges: dict[str, tuple[float, float]]
    contrast: tuple[int, ...]
    mean: np.ndarray
    precision: np.ndarray
    distance: float

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays, which are saved as NPZ."""
        return {"mean": self.mean, "precision": self.precision}

    def to_json(self) -> dict:
        """Return the other fields, which are saved as JSON."""
        return {key: value for key, value in asdict(self).items() if key not in ("mean", "precision")}

    @classmethod
    def of(cls, fields: dict[str, Any], arrays: dict[str, np.ndarray]) -> "TrainingDistribution":
        """Restore a distribution from what `to_json` and `arrays` returned."""
        return cls(**fields, mean=arrays["mean"], precision=arrays["precision"])


def mahalanobis(features: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Return the Mahalanobis distance, (n,) float64, of each row of `features`, (n, d), from `mean`."""
    away = features - mean
    return np.sqrt(np.maximum(np.einsum("nd,de,ne->n", away, precision, away), 0))


def fit_training_distribution(cases: pd.DataFrame, train: np.ndarray, val: np.ndarray) -> TrainingDistribution:
    """Learn the distribution that a model was trained on.

    The covariance is shrunk, since there may be fewer slices than features. The limit of the distance is the
    FEATURE_QUANTILE of the validation slices, to which the features were not fitted.

    Parameters
    ----------
    cases
        The table `cases`, of the training cases.
    train, val : (n, d) float
        Features of training and of validation slices.

    References
    ----------
    Ledoit & Wolf, Journal of Multivariate Analysis 88:365 (2004).
    """
    ranges = {
        name: (float(values.min()), float(values.max())) for name in COMPARED if len(values := cases[name].dropna()) > 0
    }
    contrast = tuple(sorted({int(value) for value in cases["contrast"].dropna()}))
    fitted = LedoitWolf().fit(train.astype(np.float64))
    assert fitted.precision_ is not None, "LedoitWolf stores it by default"
    distances = mahalanobis(val, fitted.location_, fitted.precision_)
    return TrainingDistribution(
        ranges, contrast, fitted.location_, fitted.precision_, float(np.quantile(distances, FEATURE_QUANTILE))
    )


def out_of_range_values(case: CasesRow, distribution: TrainingDistribution) -> list[str]:
    """List the values of a case that lie outside the training range by more than MARGIN, one phrase each."""
    phrases = []
    for column, (low, high) in distribution.ranges.items():
        value, margin = cast("dict[str, float]", case)[column], MARGIN * (high - low)
        if pd.notna(value) and not low - margin - 1e-6 <= value <= high + margin + 1e-6:
            name, unit = COMPARED[column]
            phrases.append(f"{name} {value:.4g} {unit} (trained on {low:.4g} to {high:.4g})")
    if pd.notna(case["contrast"]) and distribution.contrast and int(case["contrast"]) not in distribution.contrast:
        phrases.append(f"{'with' if case['contrast'] else 'without'} contrast agent (trained on the other)")
    return phrases


def out_of_distribution_features(features: np.ndarray, distribution: TrainingDistribution) -> list[str]:
    """Return a phrase if the features, (n, d), of a case's median slice are out of distribution; else nothing."""
    distance = float(np.median(mahalanobis(features, distribution.mean, distribution.precision)))
    if distance <= distribution.distance:
        return []
    share = f"{FEATURE_QUANTILE:.0%}"
    return [
        f"features at distance {distance:.3g} ({share} of the validation slices are within {distribution.distance:.3g})"
    ]
