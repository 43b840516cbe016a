"""Calibrate the probabilities of more than two classes by one temperature, on the validation patients of the model.

With two classes `calibration` does it, and chooses a threshold. Here the most probable class is predicted, which a
temperature does not change.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from lungsight.evaluation.aggregation import patient_level
from lungsight.evaluation.temperature import calibrated, fit_temperature
from lungsight.predict.calibration import MIN_PATIENTS


@dataclass(frozen=True)
class ClassCalibration:
    """A fitted calibration.

    Attributes
    ----------
    temperature
        As `evaluation.temperature` has it; None where nothing is calibrated.
    n_patients
        Number of validation patients.
    note
        Why nothing is calibrated; else empty.
    """

    temperature: float | None
    n_patients: int
    note: str

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrate the raw probabilities of patients, (n, k) float64."""
        return calibrated(probabilities, self.temperature)

    def to_json(self) -> dict:
        """Return the fields as JSON values."""
        return asdict(self)


def fit_class_calibration(predictions: pd.DataFrame, labels: Sequence[str], learned: Sequence[str]) -> ClassCalibration:
    """Fit a calibration on the validation patients of a table of predictions.

    Nothing is calibrated, and the note says so, if a class has fewer than MIN_PATIENTS patients.

    Parameters
    ----------
    predictions
        The table `predictions`.
    labels
        The classes of the run, in order.
    learned
        Those that the network tells apart.
    """
    patients = patient_level(predictions[predictions["split"] == "val"])
    n = len(patients)
    fewest = int(patients["label"].value_counts().reindex(list(learned), fill_value=0).min())
    if fewest < MIN_PATIENTS:
        note = f"not calibrated: {n} validation patients, {fewest} of the rarest class; {MIN_PATIENTS} are needed"
        return ClassCalibration(None, n, note)
    return ClassCalibration(fit_temperature(patients, labels), n, "")
