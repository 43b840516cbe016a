"""From a patient's mean probability to a calibrated one, and the model's own threshold: both from validation patients.

Calibration: Platt's, P = 1 / (1 + exp(−(a · logit + b))), with his smoothed targets (n₊+1)/(n₊+2) and 1/(n₋+2), which
keep a and b finite where the classes are separated (Platt, Advances in Large Margin Classifiers, 1999).
Threshold: as `training.aggregation.best_threshold`, of the calibrated probability.
"""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from lungsight.evaluation.aggregation import best_threshold, patient_level
from lungsight.evaluation.metrics import THRESHOLD

MIN_PATIENTS = 3  # of each class among the validation patients; with fewer, probabilities stay as they are
_EDGE = 1e-6  # probabilities of exactly 0 and 1 have no logit


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Logits of probabilities, those of 0 and 1 kept finite."""
    return logit(np.clip(probability, _EDGE, 1 - _EDGE))


@dataclass(frozen=True)
class Calibration:
    """slope, intercept: on the logit. threshold: of the calibrated probability. note: why it is not calibrated."""

    slope: float
    intercept: float
    threshold: float
    n_patients: int
    note: str

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, float64, of mean raw ones."""
        return expit(self.slope * log_odds(np.asarray(probability, np.float64)) + self.intercept)

    def to_json(self) -> dict:
        return asdict(self)


def fit_calibration(predictions: pd.DataFrame, positive: str) -> Calibration:
    """Fit on the validation patients of a prediction table.

    predictions: as models/<pipeline>/stage<k>/predictions/<cohort>.tsv. With fewer than MIN_PATIENTS of a class, or a
    model whose probability falls where the class is more frequent, nothing is changed, and the note says so.
    """
    patients = patient_level(predictions[predictions["split"] == "val"])
    truth = (patients["label"] == positive).to_numpy()
    raw, n = patients["probability"].to_numpy(np.float64), len(patients)
    fewest = min(truth.sum(), (~truth).sum()) if n else 0
    if fewest < MIN_PATIENTS:
        note = f"not calibrated: {n} validation patients, {fewest} of the rarer class; {MIN_PATIENTS} are needed"
        return Calibration(1.0, 0.0, THRESHOLD, n, note)
    slope, intercept = _platt(log_odds(raw), truth)
    if slope <= 0:
        note = "not calibrated: on the validation patients the probability does not rise with the class"
        return Calibration(1.0, 0.0, THRESHOLD, n, note)
    fitted = Calibration(slope, intercept, THRESHOLD, n, "")
    threshold = best_threshold(patients.assign(probability=fitted(raw)), positive)
    return Calibration(slope, intercept, threshold, n, "")


def _platt(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    target = np.where(truth, (truth.sum() + 1) / (truth.sum() + 2), 1 / ((~truth).sum() + 2))
    # A smoothed target is a row of each class, weighted: scikit-learn takes whole classes only.
    rows, classes = np.tile(scores, 2)[:, None], np.repeat([1, 0], len(scores))
    fitted = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(
        rows, classes, sample_weight=np.concatenate([target, 1 - target])
    )
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
