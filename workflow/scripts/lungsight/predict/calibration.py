"""Calibrate the probability of a patient, and choose a threshold, on the validation patients of the model.

Platt's scaling is P = 1 / (1 + exp(−(a · logit + b))). Its smoothed targets (n₊+1)/(n₊+2) and 1/(n₋+2) keep a and b
finite if the classes are separated. The threshold is `evaluation.aggregation.best_threshold` of the calibrated
probability.

References
----------
Platt, Probabilistic outputs for support vector machines, in: Advances in Large Margin Classifiers, 1999.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from lungsight.evaluation.aggregation import best_threshold, patient_level
from lungsight.evaluation.metrics import THRESHOLD

MIN_PATIENTS = 3  # of each class among the validation patients; with fewer, nothing is calibrated
_EDGE = 1e-6  # exact probabilities of 0 and 1 have no logit


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Return the logits of probabilities; those of 0 and 1 stay finite."""
    return logit(np.clip(probability, _EDGE, 1 - _EDGE))


@dataclass(frozen=True)
class Calibration:
    """A fitted calibration.

    Attributes
    ----------
    slope, intercept
        Of the logit.
    threshold
        Of the calibrated probability.
    n_patients
        Number of validation patients.
    note
        Why nothing is calibrated; else empty.
    """

    slope: float
    intercept: float
    threshold: float
    n_patients: int
    note: str

    def __call__(self, probability: np.ndarray) -> np.ndarray:
        """Calibrate raw probabilities of patients. Returns float64."""
        return expit(self.slope * log_odds(np.asarray(probability, np.float64)) + self.intercept)

    def to_json(self) -> dict:
        """Return the fields as JSON values."""
        return asdict(self)


def fit_calibration(predictions: pd.DataFrame, positive: str) -> Calibration:
    """Fit a calibration on the validation patients of a table of predictions.

    Nothing is calibrated, and the note says so, if a class has fewer than MIN_PATIENTS patients, or if the probability
    does not rise with the positive class.

    Parameters
    ----------
    predictions
        The table `predictions`.
    positive
        Name of the positive class.
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
    assert threshold is not None, "both classes have patients"
    return replace(fitted, threshold=threshold)


def _platt(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    target = np.where(truth, (truth.sum() + 1) / (truth.sum() + 2), 1 / ((~truth).sum() + 2))
    # scikit-learn takes whole classes only, so a smoothed target becomes a weighted row of each class.
    rows, classes = np.tile(scores, 2)[:, None], np.repeat([1, 0], len(scores))
    fitted = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(
        rows, classes, sample_weight=np.concatenate([target, 1 - target])
    )
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
