"""Is a scan like those that the model was trained on? By its header, its HU, and the network's features."""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from sklearn.covariance import LedoitWolf

# Column of cases.tsv → what it is called, and its unit.
FACTS = {
    "spacing_row": ("pixel spacing", "mm"),
    "spacing_slice": ("slice spacing", "mm"),
    "slice_thickness": ("slice thickness", "mm"),
    "kvp": ("tube voltage", "kV"),
    "hu_p01": ("1st percentile of HU", "HU"),
    "hu_p50": ("median HU", "HU"),
    "hu_p99": ("99th percentile of HU", "HU"),
}
MARGIN = 0.1  # of the range seen in training, on either side
FEATURE_QUANTILE = 0.99  # of the distances of validation slices


@dataclass(frozen=True)
class TrainingDistribution:
    """What is familiar to a model.

    ranges: fact → lowest and highest value of the training cases. contrast: the values seen. mean (d,), precision
    (d, d): of the training slices' features. distance: beyond it a slice's features are unfamiliar.
    """

    ranges: dict[str, tuple[float, float]]
    contrast: tuple[int, ...]
    mean: np.ndarray
    precision: np.ndarray
    distance: float

    def arrays(self) -> dict[str, np.ndarray]:
        """The part that is kept as arrays."""
        return {"mean": self.mean, "precision": self.precision}

    def to_json(self) -> dict:
        """The part that is kept as text."""
        return {key: value for key, value in asdict(self).items() if key not in ("mean", "precision")}

    @classmethod
    def of(cls, text: dict, arrays: dict[str, np.ndarray]) -> "TrainingDistribution":
        """The inverse of `to_json` and `arrays`."""
        return cls(**text | {"mean": arrays["mean"], "precision": arrays["precision"]})


def mahalanobis(features: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """Distance of each row of `features`, (n, d), from `mean` in units of the spread; (n,) float64."""
    away = features - mean
    return np.sqrt(np.maximum(np.einsum("nd,de,ne->n", away, precision, away), 0))


def fit_training_distribution(cases: pd.DataFrame, train: np.ndarray, val: np.ndarray) -> TrainingDistribution:
    """Learn it from the cases (a `cases` table) and the features, (n, d), of training and validation slices.

    The covariance is shrunk (Ledoit & Wolf 2004), since there may be fewer slices than features. The distance that
    counts as unfamiliar is the FEATURE_QUANTILE of the validation slices, whom the features were not fitted to.
    """
    ranges = {
        fact: (float(values.min()), float(values.max())) for fact in FACTS if len(values := cases[fact].dropna()) > 0
    }
    contrast = tuple(sorted({int(value) for value in cases["contrast"].dropna()}))
    fitted = LedoitWolf().fit(train.astype(np.float64))
    distances = mahalanobis(val, fitted.location_, fitted.precision_)
    return TrainingDistribution(
        ranges, contrast, fitted.location_, fitted.precision_, float(np.quantile(distances, FEATURE_QUANTILE))
    )


def out_of_range_values(case: pd.Series, distribution: TrainingDistribution) -> list[str]:
    """In words, each fact of a row of `cases` that lies by more than MARGIN outside what the model was trained on."""
    found = []
    for fact, (low, high) in distribution.ranges.items():
        value, margin = case[fact], MARGIN * (high - low)
        if pd.notna(value) and not low - margin - 1e-6 <= value <= high + margin + 1e-6:
            name, unit = FACTS[fact]
            found.append(f"{name} {value:.4g} {unit} (trained on {low:.4g} to {high:.4g})")
    if pd.notna(case["contrast"]) and distribution.contrast and int(case["contrast"]) not in distribution.contrast:
        found.append(f"{'with' if case['contrast'] else 'without'} contrast agent (trained on the other)")
    return found


def out_of_distribution_features(features: np.ndarray, distribution: TrainingDistribution) -> list[str]:
    """In words, that the median slice of a case, features (n, d), is farther than validation slices are; or nothing."""
    distance = float(np.median(mahalanobis(features, distribution.mean, distribution.precision)))
    if distance <= distribution.distance:
        return []
    share = f"{FEATURE_QUANTILE:.0%}"
    return [
        f"features at distance {distance:.3g} ({share} of the validation slices are within {distribution.distance:.3g})"
    ]
