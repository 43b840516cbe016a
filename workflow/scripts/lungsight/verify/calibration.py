"""Calibrate probabilities by one temperature, searched for by golden sections."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from lungsight.verify.statistics import Floats

Bools = npt.NDArray[np.bool_]
LOWEST, HIGHEST = 0.05, 20.0  # of a temperature
EDGE = 1e-12  # an exact probability of 0 has no logarithm
NEAR = 2e-3  # two searches stop at places that are no further apart, relative to 1 or more


def normalised(logs: Floats) -> Floats:
    """Subtract from each row of logarithms, (…, k), that of the sum of its numbers."""
    return logs - np.logaddexp.reduce(logs, axis=-1, keepdims=True)


def logs_of(probabilities: Floats) -> Floats:
    """Take logarithms, also of 0."""
    return np.log(np.clip(probabilities, EDGE, 1))


def least(function: Callable[[float], float], low: float, high: float) -> float:
    """Find where a function with one valley is least, by golden sections."""
    ratio = (5**0.5 - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > 1e-9:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2


def temperature_of(labels: Sequence[str], probabilities: Floats, classes: Sequence[str]) -> float | None:
    """Find the temperature of the least mean −log p of the true class.

    Parameters
    ----------
    labels
        The true classes of n rows.
    probabilities
        (n, k).
    classes
        All k classes, in order.

    Returns
    -------
    None where fewer than two classes have rows, or none that has any was learned.
    """
    truth = np.array([classes.index(label) for label in labels], dtype=int)
    known: Bools = np.any(probabilities > 0, axis=0)
    rows = np.flatnonzero(known[truth])
    if len(set(labels)) < 2 or not len(rows):
        return None
    logs, true = logs_of(probabilities[rows][:, known]), (np.cumsum(known) - 1)[truth[rows]]

    def loss(log_temperature: float) -> float:
        return float(-normalised(logs / np.exp(log_temperature))[np.arange(len(rows)), true].mean())

    return float(np.exp(least(loss, np.log(LOWEST), np.log(HIGHEST))))


def calibrated(probabilities: Floats, temperature: float) -> Floats:
    """Calibrate probabilities (n, k); a class that no row has a probability of keeps 0."""
    known: Bools = np.any(probabilities > 0, axis=0)
    found = np.zeros(probabilities.shape)
    found[:, known] = np.exp(normalised(logs_of(probabilities[:, known]) / temperature))
    return found
