"""Calibrate the probabilities of several classes by one temperature, fitted on validation.

The calibrated probabilities are softmax(log p / T). The class with the highest probability stays the same. T is that of
the least mean −log p of the true class.

References
----------
Guo, C. et al. (2017). On calibration of modern neural networks.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from lungsight.classes import places_of, probabilities_of
from lungsight.evaluation.intervals import BoolArray, FloatArray, IntArray

TEMPERATURES = (0.05, 20.0)
_EDGE = 1e-12  # an exact probability of 0 has no logarithm


def _log_probabilities(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Return the logarithms of calibrated probabilities (n, k); −inf for a class that the model lacks."""
    known = probabilities.any(axis=0)
    logs = np.where(known, np.log(np.clip(probabilities, _EDGE, 1)) / temperature, -np.inf)
    return log_softmax(logs, axis=1)


def calibrated(probabilities: FloatArray, temperature: float | None) -> FloatArray:
    """Calibrate probabilities (n, k); None leaves them as they are."""
    if temperature is None or not len(probabilities):
        return probabilities
    return np.exp(_log_probabilities(probabilities, temperature))


def fit_temperature(table: pd.DataFrame, labels: Sequence[str]) -> float | None:
    """Fit the temperature on validation rows.

    Parameters
    ----------
    table
        Columns label and the probabilities of all classes.
    labels
        The classes, in order.

    Returns
    -------
    None where fewer than two classes are there.
    """
    if table["label"].nunique() < 2:
        return None
    truth, probabilities = places_of(table["label"], labels), probabilities_of(table, labels)
    learned: BoolArray = np.any(probabilities > 0, axis=0)[truth]
    truth, probabilities = truth[learned], probabilities[learned]
    if not len(truth):
        return None

    def loss(log_temperature: float) -> float:
        return _mean_loss(probabilities, truth, math.exp(log_temperature))

    return math.exp(_least(loss, math.log(TEMPERATURES[0]), math.log(TEMPERATURES[1])))


def _least(function: Callable[[float], float], low: float, high: float) -> float:
    # SciPy's stub does not know the attributes of the result.
    found: Any = minimize_scalar(function, bounds=(low, high), method="bounded")
    return float(found.x)


def _mean_loss(probabilities: FloatArray, truth: IntArray, temperature: float) -> float:
    logs = _log_probabilities(probabilities, temperature)
    return float(-logs[np.arange(len(truth)), truth].mean())
